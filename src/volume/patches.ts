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
  const patch = patchSize(label.size, settings, 'randCropByPosNegLabel');
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
  const random = new Random(...seed);
  const starts = Array.from({ length: settings.count }, () => {
    const chosen = random.uniform() < share ? labelled : other;
    return startAround(chosen.find(random.integer(chosen.total)), label.size, patch);
  });
  return { size: patch, starts };
}

/** How `classPatchStarts` chooses; see the operator `randCropByLabelClasses`. */
export interface ClassPatchSettings extends Omit<PatchSettings, 'positive'> {
  /** How often each class is chosen, relative to the others. Default: all equally. */
  readonly ratios?: readonly number[];
  /** The number of classes of a label map of one channel. */
  readonly numClasses?: number;
}

/**
 * Draws patches around random voxels of random classes: those of a label map, or the channels of a one-hot
 * volume. All voxels of a class (whose image is above the threshold, if there is an image) are equally
 * likely. Classes without voxels are not chosen. A patch that would reach outside is moved inside. MONAI's
 * `RandCropByLabelClasses`.
 *
 * @throws DataError if a patch is larger than the volume (unless `allowSmaller`), the number of classes is
 * not known or not that of the ratios, or no class with a ratio has a voxel.
 */
export function classPatchStarts(
  label: Volume,
  image: Volume | undefined,
  settings: ClassPatchSettings,
  seed: readonly [number, number],
): PatchPlan {
  const patch = patchSize(label.size, settings, 'randCropByLabelClasses');
  const classes = label.channels > 1 ? label.channels : (settings.numClasses ?? settings.ratios?.length);
  if (classes === undefined) {
    throw new DataError(
      'randCropByLabelClasses needs numClasses, since the label is a label map of one channel.',
    );
  }
  if (settings.ratios && settings.ratios.length !== classes) {
    throw new DataError(
      `randCropByLabelClasses has ${settings.ratios.length} ratios for ${classes} classes. It needs one for each.`,
    );
  }
  const found = indexClasses(label, image, settings.imageThreshold, classes);
  const ratios = found.totals.map((total, c) => (total > 0 ? (settings.ratios?.[c] ?? 1) : 0));
  const sum = ratios.reduce((one, other) => one + other, 0);
  if (!(sum > 0)) {
    throw new DataError(
      'randCropByLabelClasses found no voxel to centre a patch on: no class with a ratio above 0 is in the label' +
        `${image ? ` where the image is above ${settings.imageThreshold}` : ''}. Check ratios, numClasses and the steps before it.`,
    );
  }
  const random = new Random(...seed);
  const starts = Array.from({ length: settings.count }, () => {
    const c = chooseByRatio(ratios, random.uniform() * sum);
    return startAround(found.find(c, random.integer(found.totals[c])), label.size, patch);
  });
  return { size: patch, starts };
}

/** The class that a number from 0 to the sum of all ratios falls on. */
function chooseByRatio(ratios: readonly number[], at: number): number {
  let end = 0;
  const found = ratios.findIndex((ratio) => {
    end += ratio;
    return at < end;
  });
  // Rounding may put it at the very end.
  return found >= 0 ? found : ratios.findLastIndex((ratio) => ratio > 0);
}

/** The size of patches in a volume of `size` voxels. Throws DataError if they do not fit. */
function patchSize(
  size: Vec3,
  { spatialSize, allowSmaller }: Pick<PatchSettings, 'spatialSize' | 'allowSmaller'>,
  operator: string,
): Vec3 {
  const wanted = size.map((n, axis) => (spatialSize[axis] > 0 ? spatialSize[axis] : n));
  if (!allowSmaller && wanted.some((n, axis) => n > size[axis])) {
    throw new DataError(
      `${operator} cuts patches of ${wanted.join(' x ')} voxels, but the volume has ` +
        `${size.join(' x ')}. Take a ` +
        'smaller spatialSize, put spatialPad before it, or set allowSmaller: true.',
    );
  }
  return size.map((n, axis) => Math.min(wanted[axis], n)) as Triple;
}

/** The first voxel of a patch around voxel number `at`, moved to fit inside the volume. */
function startAround(at: number, size: Vec3, patch: Vec3): Vec3 {
  const centre = [at % size[0], Math.floor(at / size[0]) % size[1], Math.floor(at / (size[0] * size[1]))];
  return centre.map((c, axis) =>
    Math.min(Math.max(c - Math.floor(patch[axis] / 2), 0), size[axis] - patch[axis]),
  ) as Triple;
}

/** For each voxel: 2 if it has a label, 1 if it may be the centre of another patch, else 0. */
function kindsOf(label: Volume, image: Volume | undefined, threshold: number): Uint8Array {
  const labels = channelsOf(label).slice(label.channels > 1 ? 1 : 0);
  const map = image ? aboveThreshold(image, threshold) : new Uint8Array(labels[0].length).fill(kinds.other);
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

/** The voxels of each class, found by counts per block of voxels; see `indexKind`. */
function indexClasses(label: Volume, image: Volume | undefined, threshold: number, classes: number) {
  const block = 4096;
  const channels = channelsOf(label);
  const count = channels[0].length;
  const allowed = image && aboveThreshold(image, threshold);
  const blocks = Math.ceil(count / block);
  const counts = Array.from({ length: classes }, () => new Int32Array(blocks));
  const oneHot = channels.length > 1;
  if (oneHot) {
    channels.forEach((values, c) => {
      for (let i = 0; i < count; i++) {
        if (values[i] !== 0 && allowed?.[i] !== 0) counts[c][Math.floor(i / block)]++;
      }
    });
  } else {
    const [values] = channels;
    for (let i = 0; i < count; i++) {
      const of = counts[values[i]];
      if (of && allowed?.[i] !== 0) of[Math.floor(i / block)]++;
    }
  }
  return {
    totals: counts.map((of) => of.reduce((sum, n) => sum + n, 0)),
    /** The n-th voxel of class `c`. */
    find(c: number, n: number): number {
      const values = channels[oneHot ? c : 0];
      let left = n;
      let at = 0;
      while (left >= counts[c][at]) left -= counts[c][at++];
      for (let i = at * block; ; i++) {
        const inside = oneHot ? values[i] !== 0 : values[i] === c;
        if (inside && allowed?.[i] !== 0 && left-- === 0) return i;
      }
    },
  };
}

/** 1 for each voxel that is above the threshold in any channel. */
function aboveThreshold(image: Volume, threshold: number): Uint8Array {
  const channels = channelsOf(image);
  const map = new Uint8Array(channels[0].length);
  for (const values of channels) {
    for (let i = 0; i < map.length; i++) if (values[i] > threshold) map[i] = 1;
  }
  return map;
}
