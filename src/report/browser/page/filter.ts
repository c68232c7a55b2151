import type { PageCase, PageColumn, PageData } from '../../browserData.js';
import { numberOf } from './numbers.js';

const comparisons: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '=': (a, b) => a === b,
};

/** What `is:` asks for. */
export const marks = ['flagged', 'noted', 'outlier'] as const;

export type Mark = (typeof marks)[number];

/** What a filter needs to know about the page. */
export interface FilterContext extends Pick<PageData, 'columns' | 'groups'> {
  /** The label that a metric without one refers to: `dice` is then `dice_liver`. */
  readonly label: string;
  readonly hasMark: (item: PageCase, mark: Mark) => boolean;
}

type Test = (item: PageCase) => boolean;

/**
 * Parses a filter: conditions on columns (`dice < 0.8`), subgroups (`site="St. Mary"`), marks (`is:flagged`)
 * and parts of case names, separated by spaces. A case passes when it meets all of them. Upper and lower case
 * are the same in names and subgroups.
 *
 * @throws Error when a condition has no number, or a mark is unknown.
 */
export function parseFilter(text: string, context: FilterContext): Test {
  const parts = text.replace(/\s*(<=|>=|<|>|=)\s*/g, '$1').match(/(?:"[^"]*"|[^\s"]|")+/g) ?? [];
  const tests = parts.map((part) => parsePart(part, context));
  return (item) => tests.every((passes) => passes(item));
}

function parsePart(part: string, { columns, groups, label, hasMark }: FilterContext): Test {
  const [, asked] = /^is:(.*)$/i.exec(part) ?? [];
  if (asked !== undefined) {
    const mark = marks.find((one) => one === asked.toLowerCase());
    if (!mark) throw new Error(`is: needs ${marks.slice(0, -1).join(', ')} or ${marks.at(-1)}`);
    return (item) => hasMark(item, mark);
  }
  const [, quoted, sign, limit] = /^([^<>=]+)(<=|>=|<|>|=)([^<>=]*)$/.exec(part) ?? [];
  const name = quoted?.replaceAll('"', '');
  const group = sign === '=' ? groups.findIndex((one) => sameText(one, name)) : -1;
  if (group >= 0) return ({ groups: own = [] }) => sameText(own[group] ?? '', limit.replaceAll('"', ''));
  const column = name === undefined ? -1 : indexOfColumn(name, columns, label);
  if (column < 0) {
    // The name of a case may contain such a sign, too.
    const word = part.toLowerCase();
    return ({ id }) => id.toLowerCase().includes(word);
  }
  const bound = limit === 'inf' ? Number.POSITIVE_INFINITY : Number(limit);
  if (limit === '' || Number.isNaN(bound)) throw new Error(`${name}${sign} needs a number`);
  return ({ values }) => comparisons[sign](numberOf(values[column]), bound);
}

const sameText = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

function indexOfColumn(name: string, columns: readonly PageColumn[], label: string): number {
  const exact = columns.findIndex((column) => column.name === name);
  if (exact >= 0) return exact;
  return columns.findIndex((column) => column.metric === name && [label, ''].includes(column.label));
}
