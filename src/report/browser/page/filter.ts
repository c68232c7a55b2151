import type { PageCase, PageColumn } from '../../browserData.js';
import { numberOf } from './numbers.js';

const comparisons: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '=': (a, b) => a === b,
};

/**
 * Parses a filter: conditions on columns (`dice<0.8`) and parts of case names, separated by spaces. A case
 * passes when it meets all of them. Upper and lower case are the same in names.
 *
 * @param label The label that a metric without one refers to: `dice` is then `dice_liver`.
 * @throws Error when a condition has no number.
 */
export function parseFilter(
  text: string,
  columns: readonly PageColumn[],
  label: string,
): (item: PageCase) => boolean {
  const tests = text
    .replace(/\s*(<=|>=|<|>|=)\s*/g, '$1')
    .split(/\s+/)
    .filter(Boolean)
    .map((part) => parsePart(part, columns, label));
  return (item) => tests.every((passes) => passes(item));
}

function parsePart(part: string, columns: readonly PageColumn[], label: string): (item: PageCase) => boolean {
  const [, name, sign, limit] = /^([^<>=]+)(<=|>=|<|>|=)([^<>=]*)$/.exec(part) ?? [];
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

function indexOfColumn(name: string, columns: readonly PageColumn[], label: string): number {
  const exact = columns.findIndex((column) => column.name === name);
  if (exact >= 0) return exact;
  return columns.findIndex((column) => column.metric === name && [label, ''].includes(column.label));
}
