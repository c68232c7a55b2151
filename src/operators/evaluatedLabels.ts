import type { Case } from '../case.js';
import { DataError, unknownName } from '../errors.js';
import type { Overlap } from '../volume/overlap.js';
import type { Volume } from '../volume/volume.js';

/** A label of a prediction and its reference. */
export interface EvaluatedLabel {
  readonly number: number;
  /** Its name, or its number where no name is known. */
  readonly name: string;
  /** Its voxels in both masks; undefined if it is in neither. */
  readonly overlap: Overlap | undefined;
}

/** The labels to measure, by number or name, and whether label 0 is one of them. */
interface LabelChoice {
  readonly labels?: readonly (number | string)[] | undefined;
  readonly includeBackground: boolean;
}

/**
 * The labels to measure: those that were asked for, or those with names, or those that occur.
 *
 * @throws DataError if a name is unknown.
 */
export function chooseLabels(
  subject: Case,
  { labels, includeBackground }: LabelChoice,
  prediction: Volume,
  reference: Volume,
  overlaps: ReadonlyMap<number, Overlap>,
): EvaluatedLabel[] {
  const names = reference.labelNames ?? subject.labelNames ?? prediction.labelNames;
  const numbers = new Set<number>(includeBackground ? [0] : []);
  if (labels) for (const label of labels) numbers.add(labelNumber(label, names));
  else {
    const { channels } = reference;
    const all = names
      ? Object.keys(names).map(Number)
      : channels > 1
        ? Array(channels).keys()
        : overlaps.keys();
    for (const label of all) if (label !== 0) numbers.add(label);
    // Both masks are empty and there are no names. The label is most likely 1, and an undefined value is
    // better than no value.
    if (numbers.size === 0) numbers.add(1);
  }
  return [...numbers].map((number) => ({
    number,
    name: names?.[number] ?? String(number),
    overlap: overlaps.get(number),
  }));
}

function labelNumber(label: number | string, names: Readonly<Record<number, string>> = {}): number {
  if (typeof label === 'number') return label;
  const found = Object.entries(names).find(([, name]) => name === label);
  if (!found) throw new DataError(`labels: ${unknownName('label', label, Object.values(names))}`);
  return Number(found[0]);
}
