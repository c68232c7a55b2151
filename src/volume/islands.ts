import { isSheared, spacingOf, voxelVolume } from './affine.js';
import { type Components, type Connectivity, connectedComponents, paintComponents } from './components.js';
import { headerSpacing } from './cornerZoom.js';
import { type Box, boxAround, findRegions, type LabelVoxels, labelIn, labelsOf, maskOf } from './regions.js';
import { channelsOf, copyVoxels, type Vec3, type Volume } from './volume.js';

/** The options of `keepLargestComponent`; see the operator. */
export interface KeepLargestSettings {
  readonly appliedLabels?: readonly number[];
  readonly independent: boolean;
  readonly connectivity: Connectivity;
  readonly numComponents: number;
  /** Also keep components as large as the smallest one that is kept. */
  readonly keepTies?: boolean;
  /** Of components of equal size, keep those that begin first. Default: those that begin last, as MONAI. */
  readonly keepFirst?: boolean;
}

/** Sets all but the largest connected components of labels to 0; MONAI's `KeepLargestConnectedComponent`. */
export function keepLargestComponent(volume: Volume, settings: KeepLargestSettings): Volume {
  const { appliedLabels, independent, connectivity } = settings;
  const result = { ...volume, data: copyVoxels(volume.data) };
  const labels = labelsOf(result, appliedLabels);
  for (const group of independent ? labels.map((label) => [label]) : [labels]) {
    clearComponents(group, volume.size, connectivity, (components, size) =>
      allButLargest(components, size, settings),
    );
  }
  return result;
}

/**
 * Sets connected components of single labels to 0 if they take up at most `maxVolume` mm³; TotalSegmentator's
 * `remove_small_blobs`.
 */
export function removeSmallComponents(
  volume: Volume,
  maxVolume: number,
  appliedLabels: readonly number[] | undefined,
  connectivity: Connectivity,
): Volume {
  const voxel = headerSpacing(volume).reduce((product, length) => product * length);
  const most = maxVolume / voxel;
  const result = { ...volume, data: copyVoxels(volume.data) };
  for (const label of labelsOf(result, appliedLabels)) {
    clearComponents([label], volume.size, connectivity, ({ sizes }) =>
      Uint8Array.from(sizes, (count) => (count <= most ? 1 : 0)),
    );
  }
  return result;
}

/** The options of `removeSmallObjects`; see the operator. */
export interface RemoveSmallSettings {
  readonly minSize: number;
  readonly connectivity: Connectivity;
  readonly independentChannels: boolean;
  readonly byMeasure: boolean;
}

/** Sets connected components of fewer than `minSize` voxels (or mm³) to 0; MONAI's `RemoveSmallObjects`. */
export function removeSmallObjects(volume: Volume, settings: RemoveSmallSettings): Volume {
  const { size, affine } = volume;
  // The product of the voxel sizes, as in MONAI, rounds differently from the determinant.
  const voxel = isSheared(affine)
    ? voxelVolume(affine)
    : spacingOf(affine).reduce((product, length) => product * length);
  const minSize = settings.byMeasure ? Math.ceil(settings.minSize / voxel) : settings.minSize;
  const result = { ...volume, data: copyVoxels(volume.data) };
  const regions = findRegions(result.data, [size[0], size[1], size[2] * volume.channels]);
  const isMask = [...regions.keys()].every((label) => label <= 1);
  if (settings.independentChannels && !isMask) {
    // Like scikit-image, take each label of a map with several labels as one object.
    const rare = new Set([...regions].filter(([, { count }]) => count < minSize).map(([label]) => label));
    for (let i = 0; i < result.data.length; i++) if (rare.has(result.data[i])) result.data[i] = 0;
    return result;
  }
  const box = { start: [0, 0, 0], size } as const;
  const labels = channelsOf(result).map((data) => ({ data, box }));
  for (const group of settings.independentChannels ? labels.map((label) => [label]) : [labels]) {
    clearComponents(group, size, settings.connectivity, ({ sizes }) =>
      Uint8Array.from(sizes, (count) => (count < minSize ? 1 : 0)),
    );
  }
  return result;
}

/** Sets the connected components of the union of labels for which `choose` returns 1 to 0, in place. */
function clearComponents(
  labels: readonly LabelVoxels[],
  size: Vec3,
  connectivity: Connectivity,
  choose: (components: Components, size: Vec3) => Uint8Array,
): void {
  const box = boxAround(labels.map((label) => label.box));
  if (!box) return;
  const components = connectedComponents(maskOf(labels, size, box), box.size, connectivity);
  const chosen = choose(components, box.size);
  for (const data of new Set(labels.map((label) => label.data))) {
    paintComponents(components, chosen, 0, box, size, data);
  }
}

/** The number of connected components of each label, searched in its box; 0 for a label without a box. */
export function countComponents(
  volume: Volume,
  labels: readonly { readonly label: number; readonly box?: Box }[],
  connectivity: Connectivity,
): number[] {
  const { size } = volume;
  return labels.map(({ label, box }) => {
    if (!box) return 0;
    return connectedComponents(maskOf([labelIn(volume, label, box)], size, box), box.size, connectivity).sizes
      .length;
  });
}

/**
 * 1 for each component that is not among the `numComponents` largest. MONAI sorts by ascending size and takes
 * the last ones, so of equal components it keeps those that begin last, in an array [x, y, z] where z is
 * fastest.
 */
function allButLargest(
  { starts, ids, sizes }: Components,
  [nx, ny, nz]: Vec3,
  { numComponents: count, keepTies = false, keepFirst = false }: KeepLargestSettings,
): Uint8Array {
  const begins = new Float64Array(sizes.length).fill(Number.POSITIVE_INFINITY);
  for (let run = 0; run < starts.length; run++) {
    const row = Math.floor(starts[run] / nx);
    const place = ((starts[run] - row * nx) * ny + (row % ny)) * nz + Math.floor(row / ny);
    if (place < begins[ids[run]]) begins[ids[run]] = place;
  }
  const direction = keepFirst ? -1 : 1;
  const order = Array.from(sizes.keys()).sort(
    (a, b) => sizes[b] - sizes[a] || direction * (begins[b] - begins[a]),
  );
  const small = new Uint8Array(sizes.length).fill(1);
  const least = sizes[order[Math.min(count, order.length) - 1]];
  const kept = keepTies ? order.filter((id) => sizes[id] >= least) : order.slice(0, count);
  for (const id of kept) small[id] = 0;
  return small;
}
