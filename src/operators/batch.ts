import { bufferCount, map, type OperatorFunction } from 'rxjs';
import type { Case } from '../case.js';
import { type Keys, volumeOf } from '../case.js';
import { DataError, OptionError, show } from '../errors.js';
import { cutWindow, type ModelAxes } from '../volume/windows.js';

/**
 * One tensor with a volume of each case. The case is the slowest axis: [n, channels, x, y, z], or [n,
 * channels, z, y, x] with `zyx`.
 */
export interface BatchTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/** The volumes of several cases, combined into tensors for a network. */
export interface Batch {
  /** The ids of the cases, in tensor order. */
  readonly ids: readonly string[];
  /** One tensor per key. */
  readonly tensors: Readonly<Record<string, BatchTensor>>;
}

/** How cases are put together. */
export interface BatchOptions {
  /** Cases per batch. The last batch may hold fewer. */
  readonly size: number;
  /** Volumes to use. Default: `image` and `label`. */
  readonly keys?: Keys;
  /** The slowest spatial axis of the tensors: x (`xyz`, as in MONAI) or z (`zyx`). Default: `xyz`. */
  readonly axes?: ModelAxes;
}

/**
 * Combines the volumes of each `size` consecutive cases into float32 tensors, one per key. The last batch
 * holds the remaining cases.
 *
 * @throws OptionError when built, if `size` is not a positive integer.
 * @throws DataError, on the stream, if volumes of one batch differ in size or channels.
 */
export function batch({ size, keys, axes }: BatchOptions): OperatorFunction<Case, Batch> {
  if (!Number.isInteger(size) || size < 1) {
    throw new OptionError(`batch: size must be a positive integer, but it is ${show(size)}.`);
  }
  return (source) =>
    source.pipe(
      bufferCount(size),
      map((cases) => collate(cases, keys, axes)),
    );
}

/** Builds one batch from cases whose volumes have the same size and channels; see `batch`. */
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
        `All cases of a batch must have the same size and channels, but ${key} of ${subject.id} has ` +
          `${tell(volume.channels, volume.size)} and ${key} of ${cases[0].id} has ` +
          `${tell(channels, size)}. Make them the same size, e.g. with randCropByPosNegLabel or ` +
          'spatialPad.',
      );
    }
    const out = data.subarray(i * count, (i + 1) * count);
    cutWindow(volume.data, size, channels, [0, 0, 0], size, axes, { paddingMode: 'constant', cval: 0 }, out);
  });
  const spatial = axes === 'xyz' ? size : [...size].reverse();
  return { data, dims: [cases.length, channels, ...spatial] };
}
