import { DataError } from '../errors.js';
import { Random } from './random.js';
import { channelsOf, type Triple, type Vec3, type Volume } from './volume.js';

/** How `patchStarts` chooses; see the operator `randCropByPosNegLabel`. */
export interface PatchSettings {
  /** Voxels of a patch; 0 or less means the size of the volume. */
  readonly spatialSize: Vec3;
  /** The share of patches around a voxel of the label, 0 to 1. */
  readonly positive: number;
  readonly count: number;
  /** Accept volumes smaller than a patch; the patch is then smaller, too. */
  readonly allowSmaller: boolean;
  /** The other patches are centred on voxels where the image is above this. */
  readonly imageThreshold: number;
}

/** The positions of patches. */
export interface PatchPlan {
  readonly size: Vec3;
  /** The first voxel of each. */
  readonly starts: readonly Vec3[];
}

const kinds = { other: 1, labelled: 2 } as const;

/**
 * Draws patches around random voxels: with the probability `positive` around a voxel with a label, else
 * around one without (and whose image is above the threshold, if there is an image). All voxels of a kind are
 * equally likely. If there are no voxels of one kind, all patches are of the other. A patch that would reach
 * outside is moved inside. A label of several channels counts as one-hot, with the background first. MONAI's
 * `RandCropByPosNegLabel`.
 *
 * @throws DataError if a patch is larger than the volume (unless `allowSmaller`), or there are no voxels of
 * either kind.
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
      `randCropByPosNegLabel cuts patches of ${wanted.join(' x ')} voxels, but the volume has ` +
        `${size.join(' x ')}. Take a ` +
        'smaller spatialSize, put spatialPad before it, or set allowSmaller: true.',
    );
  }
  const map = kindsOf(label, image, settings.imageThreshold);
  const labelled = indexKind(map, kinds.labelled);
  const other = indexKind(map, kinds.other);
  if (labelled.total === 0 && other.total === 0) {
    throw new DataError(
      'randCropByPosNegLabel found no voxel to centre a patch on: the label is empty, and no voxel of the ' +
        `image is above ${settings.imageThreshold}. Check imageThreshold and the steps before it.`,
    );
  }
  const share = labelled.total === 0 ? 0 : other.total === 0 ? 1 : settings.positive;
  const patch = size.map((n, axis) => Math.min(wanted[axis], n)) as Triple;
  const random = new Random(...seed);
  const starts = Array.from({ length: settings.count }, (): Vec3 => {
    const chosen = random.uniform() < share ? labelled : other;
    const at = chosen.find(random.integer(chosen.total));
    const centre = [at % size[0], Math.floor(at / size[0]) % size[1], Math.floor(at / (size[0] * size[1]))];
    return centre.map((c, axis) =>
      Math.min(Math.max(c - Math.floor(patch[axis] / 2), 0), size[axis] - patch[axis]),
    ) as Triple;
  });
  return { size: patch, starts };
}

/** For each voxel: 2 if it has a label, 1 if it may be the centre of another patch, else 0. */
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

/**
 * Finds the n-th voxel of a kind by counts per block of voxels, which takes less memory than a list of all
 * voxels.
 */
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
