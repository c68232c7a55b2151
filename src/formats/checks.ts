import { DataError, show } from '../errors.js';
import { isUsableAffine } from '../volume/affine.js';
import { type Affine, type Triple, type Vec3, voxelCount } from '../volume/volume.js';

/**
 * Throws DataError unless sizes are those of a volume: three positive whole numbers whose product is exact.
 */
export function checkSize(size: readonly number[], channels: number, file: string): asserts size is Vec3 {
  if (size.length < 3) {
    throw new DataError(
      `${file} is ${size.length}D (${size.join(' x ')}), but a 3D image was expected. Remove it from the ` +
        `dataset.`,
    );
  }
  const all = [...size, channels];
  // A voxel takes at most 8 bytes.
  const exact = Number.isSafeInteger(voxelCount(size as Triple) * channels * 8);
  if (!exact || !all.every((n) => Number.isSafeInteger(n) && n >= 1)) {
    throw new DataError(
      `${file} has a damaged header: it says ${size.join(' x ')} voxels and ${channels} channel(s), which ` +
        'is impossible. Copy or download it again.',
    );
  }
}

/**
 * Throws DataError unless an affine is finite and has an inverse. The message says which fields (`source`) it
 * is from.
 */
export function checkAffine(affine: Affine, source: string, file: string): void {
  if (isUsableAffine(affine)) return;
  const rows = [0, 4, 8].map((row) => affine.slice(row, row + 4));
  throw new DataError(
    `${file} has an affine that is ${affine.every(Number.isFinite) ? 'singular' : 'not finite'}: its ` +
      `${source} gives ${show(rows)}. Correct its header.`,
  );
}
