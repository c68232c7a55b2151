import { allocateLabels } from './classes.js';
import { allocateLike, type Volume, type VoxelArray } from './volume.js';

/**
 * A label map with the labels of a part added: where `map` gives a label of the part a label other than 0,
 * that overwrites what `whole` had. Labels of the part that are not in `map` count as 0.
 *
 * @param whole What earlier parts gave. Default: nothing.
 * @param largest The largest label that the whole will get.
 */
export function joinLabels(
  part: Volume,
  map: Readonly<Record<number, number>>,
  largest: number,
  whole?: Volume,
): Volume {
  const data = allocateLabels(largest, part.data.length);
  if (whole) data.set(whole.data);
  eachMapped(
    part.data,
    (label) => map[label] ?? 0,
    (i, label) => {
      if (label !== 0) data[i] = label;
    },
  );
  return { ...part, data };
}

/** The label map with only some labels; all others become 0. Names of other labels are dropped. */
export function keepLabels(volume: Volume, labels: readonly number[]): Volume {
  const kept = new Set(labels);
  const data = allocateLike(volume.data, volume.data.length);
  eachMapped(
    volume.data,
    (label) => (kept.has(label) ? label : 0),
    (i, label) => {
      data[i] = label;
    },
  );
  const names = Object.entries(volume.labelNames ?? {}).filter(([label]) => kept.has(Number(label)));
  return { ...volume, data, ...(volume.labelNames && { labelNames: Object.fromEntries(names) }) };
}

/** Calls `visit` with each voxel and what `of` gives for its label, which is asked once per run of labels. */
function eachMapped(
  data: VoxelArray,
  of: (label: number) => number,
  visit: (voxel: number, label: number) => void,
): void {
  let last = Number.NaN;
  let mapped = 0;
  for (let i = 0; i < data.length; i++) {
    if (data[i] !== last) {
      last = data[i];
      mapped = of(last);
    }
    visit(i, mapped);
  }
}
