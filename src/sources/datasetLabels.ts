import { z } from 'zod';
import type { Case } from '../case.js';
import { DataError, listNames, show } from '../errors.js';

/** What a dataset says about its labels. */
export type DatasetLabels = Pick<Case, 'labelNames' | 'regions' | 'ignoreLabel'>;

/** `labels` of a dataset.json: `{ "1": "spleen" }` in the Decathlon, `{ "spleen": 1 }` in nnU-Net. */
export const labelsType = z.record(
  z.string(),
  z.union([z.string(), z.number(), z.array(z.union([z.string(), z.number()])).min(1)]),
);

/**
 * Reads `labels` of a dataset.json.
 *
 * Numbers may be text. The label named `ignore` is nnU-Net's ignore label. If an entry lists several labels,
 * all entries but the background are regions, as in nnU-Net. Labels that share a name get their numbers
 * behind it, with a warning.
 *
 * @param file Named in messages.
 * @throws DataError if a label is not a whole number, or has two names.
 */
export function readLabels(
  labels: z.infer<typeof labelsType>,
  file: string,
  onWarning: (message: string) => void = () => {},
): DatasetLabels {
  const named = Object.entries(labels).map(([key, value]) => entryOf(key, value, file));
  const single = named.flatMap(({ name, numbers }) =>
    numbers.length === 1 ? [[numbers[0], name] as const] : [],
  );
  const hasRegions = named.some(({ numbers }) => numbers.length > 1);
  const ignored = named.find(({ name }) => name === 'ignore');
  if (ignored && ignored.numbers.length > 1) {
    throw new DataError(`${file}: labels.ignore is ${show(ignored.numbers)}, but it must be one label.`);
  }
  const names = uniqueNames(
    single.filter(([, name]) => name !== 'ignore'),
    file,
    onWarning,
  );
  const regions = named
    .filter((one) => one !== ignored && one.numbers.some((number) => number !== 0))
    .map(({ name, numbers }) => ({ name, labels: numbers }));
  return {
    labelNames: names,
    ...(hasRegions && { regions }),
    ...(ignored && { ignoreLabel: ignored.numbers[0] }),
  };
}

function entryOf(key: string, value: z.infer<typeof labelsType>[string], file: string) {
  if (typeof value === 'string' && isWhole(key)) return { name: value, numbers: [Number(key)] };
  const numbers = [value].flat();
  const odd = numbers.find((number) => !isWhole(String(number)));
  if (odd === undefined) return { name: key, numbers: [...new Set(numbers.map(Number))] };
  throw new DataError(
    `${file}: labels.${key} is ${show(value)}, but expected is a whole number, a list of them for a region ` +
      '(nnU-Net), or a map from numbers to names, e.g. { "1": "spleen" }.',
  );
}

function isWhole(text: string): boolean {
  return /^-?\d+$/.test(text.trim());
}

/** Names by number. Names that several labels share get the number behind them. */
function uniqueNames(
  entries: readonly (readonly [number, string])[],
  file: string,
  onWarning: (message: string) => void,
): Record<number, string> {
  const names: Record<number, string> = {};
  for (const [number, name] of entries) {
    if (names[number] !== undefined && names[number] !== name) {
      throw new DataError(
        `${file}: label ${number} has two names, ${show(names[number])} and ${show(name)}. Keep one of them.`,
      );
    }
    const same = entries.filter((other) => other[1] === name).map(([other]) => other);
    const shared = new Set(same).size > 1;
    names[number] = shared ? `${name}_${number}` : name;
    if (shared && number === same[0]) {
      onWarning(
        `${file} gives the labels ${listNames(same.map(String))} one name, ${show(name)}; they are kept apart as ` +
          `${listNames(same.map((other) => show(`${name}_${other}`)))}.`,
      );
    }
  }
  return names;
}
