import type { Case } from '../case.js';
import { DataError, show, unknownName } from '../errors.js';
import { listSome } from '../metrics/table.js';
import type { Overlap } from '../volume/overlap.js';
import type { LabelRegion, MaskFacts } from '../volume/regionMasks.js';
import type { Volume } from '../volume/volume.js';

/** A label of a prediction and its reference. */
export interface EvaluatedLabel {
  /** The label's value; for masks in channels, the channel. */
  readonly number: number;
  /** Its name, or its number where no name is known. */
  readonly name: string;
  /** Its voxels in both masks; undefined if it is in neither. */
  readonly overlap: Overlap | undefined;
}

/** The labels to measure, by number or name, and whether label 0 is one of them. */
export interface LabelChoice {
  readonly labels?: readonly (number | string)[] | undefined;
  readonly includeBackground: boolean;
}

/** Labels to measure, by name and number, and what was assumed about them. */
export interface ChosenLabels {
  readonly labels: readonly Omit<EvaluatedLabel, 'overlap'>[];
  /** Full sentences for the user. */
  readonly notes: readonly string[];
}

type Names = Readonly<Record<number, string>>;

/** More labels without a name than this are taken for an image. */
const mostUnnamed = 256;

/**
 * The labels of a label map to measure: those that were asked for, or those with names, or those that occur.
 * A note lists labels that occur without a name.
 *
 * @param values The labels that occur.
 * @throws DataError if a name is unknown, or if there are so many labels that the volume must be an image.
 */
export function chooseLabels(
  { labels, includeBackground }: LabelChoice,
  names: Names | undefined,
  values: readonly number[],
): ChosenLabels {
  const numbers = new Set<number>(includeBackground ? [0] : []);
  const notes: string[] = [];
  if (labels) for (const label of labels) numbers.add(labelNumber(label, names));
  else {
    notes.push(...unnamedNotes(values, names && Object.keys(names).map(Number)));
    const negative = names ? [] : values.filter((value) => value < 0);
    if (negative.length > 0) {
      notes.push(
        `Labels below 0 occur and are measured: ${listSome(negative.map(String))}. If they mean the background, replace ` +
          'them by 0 (mapLabels), or set "labels".',
      );
    }
    const all = names ? Object.keys(names).map(Number) : values;
    for (const label of all) if (label !== 0) numbers.add(label);
    // Both masks are empty and there are no names. The label is most likely 1, and an undefined value is
    // better than no value.
    if (numbers.size === 0) numbers.add(1);
  }
  return {
    labels: [...numbers].map((number) => ({ number, name: names?.[number] ?? String(number) })),
    notes,
  };
}

/**
 * Notes on labels that occur but are not among the known ones. Without known labels, all are measured.
 *
 * @throws DataError if there are so many that the volume must be an image.
 */
export function unnamedNotes(values: readonly number[], known: readonly number[] | undefined): string[] {
  const unnamed = values.filter((value) => value !== 0 && !known?.includes(value));
  if (unnamed.length > mostUnnamed) {
    throw new DataError(
      `The label maps have ${unnamed.length} different labels without a name, from ${Math.min(...unnamed)} to ` +
        `${Math.max(...unnamed)}: one of them is probably an image. If they are labels, list those to measure with ` +
        '"labels", or name them in dataset.json.',
    );
  }
  if (!known || unnamed.length === 0) return [];
  const list = listSome(unnamed.map(String));
  return [
    unnamed.length === 1
      ? `Label ${list} occurs, but the dataset does not name it, so it is not measured. To measure it, set "labels", or ` +
        'name it in dataset.json.'
      : `Labels ${list} occur, but the dataset does not name them, so they are not measured. To measure them, set ` +
        '"labels", or name them in dataset.json.',
  ];
}

/**
 * The channels to measure of masks, one in each channel: those that were asked for, or all but the
 * background. Names are given to them in order. Where their meaning is not certain, a
 * note states how channels were read.
 *
 * @throws DataError if a name is unknown, or if there are not as many names as masks.
 */
export function chooseChannels(
  { labels, includeBackground }: LabelChoice,
  {
    names,
    regions,
  }: { readonly names: Names | undefined; readonly regions: readonly LabelRegion[] | undefined },
  channels: number,
  { background, largest }: MaskFacts,
): ChosenLabels {
  const named = regions?.map(({ name }) => name) ?? foregroundNames(names);
  // As many names as channels after the first: channel 0 is the background, even if the masks overlap.
  const first = background || named?.length === channels - 1 ? 1 : 0;
  const fits = named === undefined || named.length === channels - first;
  const nameOf = (channel: number) => {
    if (channel === 0 && first === 1) return names?.[0] ?? '0';
    return (fits && named?.[channel - first]) || String(channel);
  };
  const all = Array.from({ length: channels }, (_, channel) => ({ number: channel, name: nameOf(channel) }));
  const notes: string[] = [];
  if (background && largest !== 0 && !labels) {
    notes.push(
      `Channel 0 of the label is taken as the background, because it is set exactly where the others are not, but channel ` +
        `${largest} has more voxels. If the background is another channel, choose the channels to measure with "labels".`,
    );
  }
  if (!background && first === 0 && fits) {
    const order = all.map(({ number, name }) => (named ? `${number} is ${show(name)}` : String(number)));
    notes.push(
      `Channel 0 of the label is not a background, so all ${channels} channels are measured as masks: ${listSome(order)}.`,
    );
  }
  if (labels) {
    const byNumber = Object.fromEntries(all.map(({ number, name }) => [number, name]));
    const chosen = new Set([
      ...(includeBackground ? [0] : []),
      ...labels.map((label) => labelNumber(label, byNumber)),
    ]);
    return { labels: [...chosen].map((number) => ({ number, name: nameOf(number) })), notes };
  }
  if (!fits) {
    throw new DataError(
      `The label has ${channels} channels${background ? ', of which 0 is the background' : ''}, but the dataset names ` +
        `${named.length} labels: ${listSome(named)}. Choose channels by number with "labels", or correct the names.`,
    );
  }
  return { labels: all.slice(includeBackground ? 0 : first), notes };
}

/** The names of the labels but the background, in the order of their numbers. */
function foregroundNames(names: Names | undefined): string[] | undefined {
  return names && Object.keys(names).flatMap((number) => (Number(number) === 0 ? [] : [names[+number]]));
}

/**
 * The number of a label.
 *
 * @throws DataError if the name is unknown.
 */
export function labelNumber(label: number | string, names: Names = {}): number {
  if (typeof label === 'number') return label;
  const found = Object.entries(names).find(([, name]) => name === label);
  if (!found) throw new DataError(`labels: ${unknownName('label', label, Object.values(names))}`);
  return Number(found[0]);
}

/** The names of the labels of a case: the reference's own, the dataset's, or the prediction's. */
export function namesOf(subject: Case, prediction: Volume, reference: Volume): Names | undefined {
  return reference.labelNames ?? subject.labelNames ?? prediction.labelNames;
}
