import { DataError, show } from '../errors.js';
import { isUsableAffine } from '../volume/affine.js';
import { type Affine, type Vec3, voxelCount } from '../volume/volume.js';

/** Throws DataError unless sizes are those of a volume: three whole numbers from 1 on, with a product that is exact. */
export function checkSize(size: readonly number[], channels: number, file: string): asserts size is Vec3 {
  if (size.length < 3) {
    throw new DataError(
      `${file} is ${size.length}D (${size.join(' x ')}), but a 3D image was expected. Leave it out of the dataset.`,
    );
  }
  const all = [...size, channels];
  // 8 bytes is the most that a voxel takes.
  const exact = Number.isSafeInteger(voxelCount(size as unknown as Vec3) * channels * 8);
  if (!exact || !all.every((n) => Number.isSafeInteger(n) && n >= 1)) {
    throw new DataError(
      `${file} has a damaged header: it says ${size.join(' x ')} voxels and ${channels} channel(s), which no file holds. ` +
        'Copy or download it again.',
    );
  }
}

/** Throws DataError, saying where the affine comes from, unless it is finite and has an inverse. */
export function checkAffine(affine: Affine, source: string, file: string): void {
  if (isUsableAffine(affine)) return;
  const rows = [0, 4, 8].map((row) => affine.slice(row, row + 4));
  throw new DataError(
    `${file} has an affine that is ${affine.every(Number.isFinite) ? 'singular' : 'not finite'}: its ${source} gives ` +
      `${show(rows)}. Mend its header.`,
  );
}
