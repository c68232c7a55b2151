import { DataError } from '../errors.js';
import { Random } from './random.js';
import { channelsOf, type Vec3, type Volume } from './volume.js';

/** How `patchStarts` chooses; see the operator `randCropByPosNegLabel`. */
export interface PatchSettings {
  /** Voxels of a patch; zero and less take the volume's own. */
  readonly spatialSize: Vec3;
  /** The share of patches around a voxel of the label, 0 to 1. */
  readonly positive: number;
  readonly count: number;
  /** A patch may be smaller where the volume is. */
  readonly allowSmaller: boolean;
  /** Only where the image is above this are the other patches centred. */
  readonly imageThreshold: number;
}

/** Where patches lie. */
export interface PatchPlan {
  readonly size: Vec3;
  /** The first voxel of each. */
  readonly starts: readonly Vec3[];
}

const kinds = { other: 1, labelled: 2 } as const;

/**
 * Draws patches around random voxels: with the probability `positive` around one that has a label, else around one that has
 * none (and whose image is above the threshold, where there is an image); all voxels of a kind are equally likely. Where
 * there is no voxel of one kind, all patches are of the other. A patch that would reach outside is moved inside.
 * A label of several channels counts as one-hot: its first is the background. MONAI's `RandCropByPosNegLabel`.
 *
 * @throws DataError when a patch is larger than the volume (unless `allowSmaller`), or there is no voxel of either kind.
 */
export function patchStarts(
  label: Volume,
  image: Volume | undefined,
  settings: PatchSettings,
  seed: readonly [number, number],
): PatchPlan {
  const { size } = label;
  const wanted = size.map((n, axis) => (settings.spatialSize[axis] > 0 ? settings.spatialSize[axis] : n));
  if (!settings.allowSmaller && wanted.some((n, axis) => n > size[axis])) {
    throw new DataError(
      `randCropByPosNegLabel cuts patches of ${wanted.join(' x ')} voxels, but the volume has ${size.join(' x ')}. Take a ` +
        'smaller spatialSize, put spatialPad before it, or set allowSmaller: true.',
    );
  }
  const map = kindsOf(label, image, settings.imageThreshold);
  const labelled = indexKind(map, kinds.labelled);
  const other = indexKind(map, kinds.other);
  if (labelled.total === 0 && other.total === 0) {
    throw new DataError(
      `randCropByPosNegLabel found no voxel to centre a patch on: the label is empty, and no voxel of the image is above ` +
        `${settings.imageThreshold}. Check imageThreshold and the steps before it.`,
    );
  }
  const share = labelled.total === 0 ? 0 : other.total === 0 ? 1 : settings.positive;
  const patch = size.map((n, axis) => Math.min(wanted[axis], n)) as unknown as Vec3;
  const random = new Random(...seed);
  const starts = Array.from({ length: settings.count }, (): Vec3 => {
    const chosen = random.uniform() < share ? labelled : other;
    const at = chosen.find(random.integer(chosen.total));
    const centre = [at % size[0], Math.floor(at / size[0]) % size[1], Math.floor(at / (size[0] * size[1]))];
    return centre.map((c, axis) =>
      Math.min(Math.max(c - Math.floor(patch[axis] / 2), 0), size[axis] - patch[axis]),
    ) as unknown as Vec3;
  });
  return { size: patch, starts };
}

/** For each voxel: 2 where it has a label, 1 where it may be the centre of another patch, else 0. */
function kindsOf(label: Volume, image: Volume | undefined, threshold: number): Uint8Array {
  const labels = channelsOf(label).slice(label.channels > 1 ? 1 : 0);
  const map = new Uint8Array(labels[0].length);
  if (image) {
    for (const values of channelsOf(image)) {
      for (let i = 0; i < map.length; i++) if (values[i] > threshold) map[i] = kinds.other;
    }
  } else map.fill(kinds.other);
  for (const values of labels) {
    for (let i = 0; i < map.length; i++) if (values[i] !== 0) map[i] = kinds.labelled;
  }
  return map;
}

/** Finds the n-th voxel of a kind: counts are kept for blocks of voxels, so no list of them all is needed. */
function indexKind(map: Uint8Array, kind: number) {
  const block = 4096;
  const counts = new Int32Array(Math.ceil(map.length / block));
  let total = 0;
  for (let i = 0; i < map.length; i++) {
    if (map[i] !== kind) continue;
    counts[Math.floor(i / block)]++;
    total++;
  }
  return {
    total,
    find(n: number): number {
      let left = n;
      let at = 0;
      while (left >= counts[at]) left -= counts[at++];
      let i = at * block;
      for (; ; i++) {
        if (map[i] === kind && left-- === 0) return i;
      }
    },
  };
}
