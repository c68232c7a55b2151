import { bufferCount, map, type OperatorFunction } from 'rxjs';
import type { Case } from '../case.js';
import { type Keys, volumeOf } from '../case.js';
import { DataError, OptionError, show } from '../errors.js';
import { cutWindow, type ModelAxes } from '../volume/windows.js';

/** A tensor of several cases' volumes, the case slowest: [n, channels, x, y, z], or with `zyx` [n, channels, z, y, x]. */
export interface BatchTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/** Volumes of several cases, put together as a network takes them. */
export interface Batch {
  /** The ids of the cases. */
  readonly ids: readonly string[];
  /** A tensor for each key. */
  readonly tensors: Readonly<Record<string, BatchTensor>>;
}

export interface BatchOptions {
  /** Cases of a batch; the last one may have fewer. */
  readonly size: number;
  /** Volumes to take. Default: `image` and `label`. */
  readonly keys?: Keys;
  /** Which axis is slowest in the tensors: x (`xyz`, as in MONAI) or z. Default: `xyz`. */
  readonly axes?: ModelAxes;
}

/**
 * Puts the volumes of `size` cases after the other into float32 tensors, one per key. Where a stream ends, the last batch
 * holds what is left.
 *
 * @throws OptionError when built, if `size` is not a whole number from 1 on.
 * @throws DataError, on the stream, when volumes of one batch differ in size or channels.
 */
export function batch({ size, keys, axes }: BatchOptions): OperatorFunction<Case, Batch> {
  if (!Number.isInteger(size) || size < 1) {
    throw new OptionError(`batch: size must be a whole number from 1 on, but it is ${show(size)}.`);
  }
  return (source) =>
    source.pipe(
      bufferCount(size),
      map((cases) => collate(cases, keys, axes)),
    );
}

/** The batch of cases whose volumes are alike; see `batch`. */
export function collate(
  cases: readonly Case[],
  keys: Keys = ['image', 'label'],
  axes: ModelAxes = 'xyz',
): Batch {
  const tensors = [keys].flat().map((key) => [key, stack(cases, key, axes)] as const);
  return { ids: cases.map(({ id }) => id), tensors: Object.fromEntries(tensors) };
}

function stack(cases: readonly Case[], key: string, axes: ModelAxes): BatchTensor {
  const { size, channels } = volumeOf(cases[0], key);
  const count = channels * size[0] * size[1] * size[2];
  const data = new Float32Array(cases.length * count);
  cases.forEach((subject, i) => {
    const volume = volumeOf(subject, key);
    if (volume.channels !== channels || volume.size.some((n, axis) => n !== size[axis])) {
      const tell = (n: number, voxels: readonly number[]) =>
        `${n} channel(s) of ${voxels.join(' x ')} voxels`;
      throw new DataError(
        `Cases of one batch must be alike, but ${key} of ${subject.id} has ${tell(volume.channels, volume.size)}, that of ` +
          `${cases[0].id} ${tell(channels, size)}. Bring them to one size, with randCropByPosNegLabel or spatialPad for instance.`,
      );
    }
    const out = data.subarray(i * count, (i + 1) * count);
    cutWindow(volume.data, size, channels, [0, 0, 0], size, axes, { paddingMode: 'constant', cval: 0 }, out);
  });
  const spatial = axes === 'xyz' ? size : [...size].reverse();
  return { data, dims: [cases.length, channels, ...spatial] };
}
