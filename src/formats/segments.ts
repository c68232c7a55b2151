import { DataError } from '../errors.js';
import { allocate, type VoxelArray, voxelCount } from '../volume/volume.js';
import { distinctNames } from './distinctNames.js';
import type { StoredLayout } from './layout.js';
import { smallestInteger } from './voxels.js';

/** A segment of a 3D Slicer segmentation (`.seg.nrrd`). */
export interface Segment {
  readonly name: string;
  /** The channel of the file that it is in. */
  readonly layer: number;
  /** Its voxels' value in that channel. */
  readonly value: number;
}

/**
 * The segments that key/value pairs of an NRRD header name: `Segment0_Name`, `Segment0_Layer`,
 * `Segment0_LabelValue` and so on. Slicer before 4.11 wrote one layer of ones for each segment, without the
 * last two.
 */
export function readSegments(pairs: ReadonlyMap<string, string>): Segment[] {
  const numbers = new Set<number>();
  for (const key of pairs.keys()) {
    const found = /^Segment(\d+)_(ID|Name)$/.exec(key);
    if (found) numbers.add(Number(found[1]));
  }
  return [...numbers]
    .sort((a, b) => a - b)
    .map((number, i) => {
      const pair = (key: string) => pairs.get(`Segment${number}_${key}`);
      return {
        name: pair('Name') ?? pair('ID') ?? '',
        layer: Number(pair('Layer') ?? i),
        value: Number(pair('LabelValue') ?? 1),
      };
    });
}

/** Label voxels and what is known about them. */
interface Labels {
  readonly data: VoxelArray;
  readonly channels: number;
  readonly labelNames: Readonly<Record<number, string>>;
  readonly notes: readonly string[];
}

/**
 * A label map from the layers of a segmentation, with the names of its segments.
 *
 * One layer is a label map as it is. Several layers become one, since a label is a value here: the segments
 * keep their label values if these are distinct, else they are numbered from 1 in the order of the header.
 * Segments that overlap cannot be one label map; they become masks, one for each channel from 1 on, and
 * channel 0 is the background.
 *
 * Segments that share a name get their numbers behind it.
 *
 * @throws DataError if a segment is in a layer that the file does not have, or if its label value is not a
 * whole number above 0.
 */
export function labelsOfSegments(
  data: VoxelArray,
  { size, channels }: Pick<StoredLayout, 'size' | 'channels'>,
  segments: readonly Segment[],
  file: string,
): Labels {
  const lost = segments.find(({ layer }) => !(layer >= 0 && layer < channels));
  if (lost) {
    throw new DataError(
      `${file} says that its segment "${lost.name}" is in layer ${lost.layer}, but it has ${channels} layer(s). ` +
        'Save the segmentation again.',
    );
  }
  const odd = segments.find(({ value }) => !(Number.isSafeInteger(value) && value > 0));
  if (odd) {
    throw new DataError(
      `${file} has a segment "${odd.name}" whose label value is ${odd.value}, but a whole number above 0 was expected. ` +
        'Save the segmentation again.',
    );
  }
  const values = segments.map(({ value }) => value);
  const distinct = new Set(values).size === values.length;
  const numbers = distinct ? values : segments.map((_, i) => i + 1);
  const named = (order: readonly number[]) =>
    distinctNames(
      segments.map(({ name }, i) => [order[i], name]),
      file,
    );
  const { names: labelNames, notes: nameNotes } = named(numbers);
  if (channels === 1 && distinct) return { data, channels, labelNames, notes: nameNotes };
  const count = voxelCount(size);
  const layers = segments.map(({ layer }) => data.subarray(layer * count, (layer + 1) * count));
  const merged = mergeLayers(layers, values, numbers);
  const strays = unclaimedValues(data, count, segments).map(
    ({ layer, value }) =>
      `${file} has voxels of value ${value} in layer ${layer}, which belong to no segment; they were left out.`,
  );
  if (merged) {
    const order = listNumbers(segments, numbers);
    const note = `${file} has segments of equal label values; they were numbered in order: ${order}.`;
    const notes = [...strays, ...(distinct ? [] : [note]), ...nameNotes];
    return { data: merged, channels: 1, labelNames, notes };
  }
  const order = segments.map((_, i) => i + 1);
  const masks = named(order);
  return {
    data: maskChannels(layers, values),
    channels: segments.length + 1,
    labelNames: masks.names,
    notes: [
      ...strays,
      ...masks.notes,
      `${file} has segments that overlap; they became masks in channels: ${listNumbers(segments, order)}.`,
    ],
  };
}

/** Values other than 0 that no segment has, by layer. */
function unclaimedValues(
  data: VoxelArray,
  count: number,
  segments: readonly Segment[],
): Pick<Segment, 'layer' | 'value'>[] {
  return Array.from({ length: data.length / count }, (_, layer) => {
    const claimed = new Set(segments.flatMap((one) => (one.layer === layer ? [one.value] : [])));
    const strays = new Set<number>();
    for (const value of data.subarray(layer * count, (layer + 1) * count)) {
      if (value !== 0 && !claimed.has(value)) strays.add(value);
    }
    return [...strays].sort((a, b) => a - b).map((value) => ({ layer, value }));
  }).flat();
}

function listNumbers(segments: readonly Segment[], numbers: readonly number[]): string {
  return segments.map(({ name }, i) => `${numbers[i]} "${name}"`).join(', ');
}

/** One label map of all segments; undefined if two of them overlap. */
function mergeLayers(
  layers: readonly VoxelArray[],
  values: readonly number[],
  numbers: readonly number[],
): VoxelArray | undefined {
  const length = layers[0]?.length ?? 0;
  const merged = allocate(smallestInteger([0, Math.max(0, ...numbers)]) ?? 'int32', length);
  for (const [i, layer] of layers.entries()) {
    for (let at = 0; at < length; at++) {
      if (layer[at] !== values[i]) continue;
      if (merged[at] !== 0) return undefined;
      merged[at] = numbers[i];
    }
  }
  return merged;
}

/** The background, then a mask for each segment. */
function maskChannels(layers: readonly VoxelArray[], values: readonly number[]): VoxelArray {
  const { length } = layers[0];
  const masks = allocate('uint8', (layers.length + 1) * length);
  masks.fill(1, 0, length);
  for (const [i, layer] of layers.entries()) {
    for (let at = 0; at < length; at++) {
      if (layer[at] !== values[i]) continue;
      masks[at] = 0;
      masks[(i + 1) * length + at] = 1;
    }
  }
  return masks;
}
