import { z } from 'zod';
import type { Case } from '../case.js';
import { DataError, show } from '../errors.js';
import { distinctNames } from '../formats/distinctNames.js';

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
 * behind it, with a warning. Label 0 is the background, whatever its name. Without any label, no names are
 * known.
 *
 * @param file Named in messages.
 * @throws DataError if a label is not a whole number or has two names, or if the background is not 0.
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
  checkNames(single, file);
  const hasRegions = named.some(({ numbers }) => numbers.length > 1);
  const ignored = named.find(({ name }) => name === 'ignore');
  if (ignored && ignored.numbers.length > 1) {
    throw new DataError(`${file}: labels.ignore is ${show(ignored.numbers)}, but it must be one label.`);
  }
  const { names, notes } = distinctNames(
    single.filter(([, name]) => name !== 'ignore'),
    file,
  );
  for (const note of [...notes, ...oddNames(single, file)]) onWarning(note);
  const regions = named
    .filter((one) => one !== ignored && one.numbers.some((number) => number !== 0))
    .map(({ name, numbers }) => ({ name, labels: numbers }));
  return {
    ...(single.length > 0 && { labelNames: names }),
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
  return /^-?\d+$/.test(text.trim()) && Number.isSafeInteger(Number(text));
}

function checkNames(labels: readonly (readonly [number, string])[], file: string): void {
  const names = new Map<number, string>();
  for (const [number, name] of labels) {
    const other = names.get(number);
    if (other !== undefined && other !== name) {
      throw new DataError(
        `${file}: label ${number} has two names, ${show(other)} and ${show(name)}. Keep one of them.`,
      );
    }
    if (number !== 0 && /^background$/i.test(name.trim())) {
      throw new DataError(
        `${file}: the background is label ${number}, but it must be label 0. Correct dataset.json, or renumber the ` +
          'labels.',
      );
    }
    names.set(number, name);
  }
}

/** Notes on names that look as if something else was meant. */
function oddNames(labels: readonly (readonly [number, string])[], file: string): string[] {
  return labels.flatMap(([number, name]) => {
    if (number === 0 && !/back|bg|none|clear|unlabel|outside|other/i.test(name)) {
      return [
        `${file} names label 0 ${show(name)}. Label 0 is taken as the background and is not measured; ` +
          'includeBackground: true measures it.',
      ];
    }
    if (name !== 'ignore' && /^\W*ignored?\W*$/i.test(name)) {
      return [
        `${file} has a label ${show(name)}, which is measured like any other. nnU-Net's label for voxels that do not ` +
          'count is named "ignore", in lower case.',
      ];
    }
    return [];
  });
}
