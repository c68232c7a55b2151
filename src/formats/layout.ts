import { endianness } from 'node:os';
import { type Vec3, type VoxelType, voxelCount } from '../volume/volume.js';
import type { FileGrid } from './define.js';

/** How voxels are stored: a voxel type, or a 64-bit integer. */
export type StoredType = VoxelType | 'int64' | 'uint64';

/** Bytes of a stored voxel. */
export const storedBytes: Readonly<Record<StoredType, number>> = {
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  float32: 4,
  float64: 8,
};

/** True where memory holds the lowest byte of a number first. */
export const hostLittleEndian = endianness() === 'LE';

/** How voxels lie in a file, or in its inflated content. */
export interface StoredLayout {
  /** Voxels in x, y and z; x varies fastest. */
  readonly size: Vec3;
  readonly channels: number;
  /** True if the channels of a voxel lie side by side; else the channel varies slowest. */
  readonly interleaved?: boolean;
  readonly stored: StoredType;
  readonly littleEndian: boolean;
  /** Bytes before the first voxel. */
  readonly offset: number;
  /** Voxels are `slope * stored + inter`; undefined if they are the stored numbers. */
  readonly scaling?: { readonly slope: number; readonly inter: number };
  /**
   * True for bytes that may follow the voxels. Default: zero bytes, fewer than the smallest face of the
   * volume takes.
   */
  readonly isFooter?: (bytes: Buffer) => boolean;
}

/** Bytes of all voxels as they are stored. */
export function dataBytes({
  size,
  channels,
  stored,
}: Pick<StoredLayout, 'size' | 'channels' | 'stored'>): number {
  return voxelCount(size) * channels * storedBytes[stored];
}

/** What a header says about its volume. */
export function gridOf(header: StoredLayout & Pick<FileGrid, 'affine'>): FileGrid {
  const { size, affine, channels } = header;
  return {
    ...{ size, affine, channels },
    ...{ bytesPerVoxel: bytesPerVoxel(header), bytesToRead: bytesToRead(header) },
    ...(scalesByFractions(header) && { fractions: true }),
  };
}

/** True if a header scales voxels by a number that is not whole. */
export function scalesByFractions({ scaling, stored }: Pick<StoredLayout, 'scaling' | 'stored'>): boolean {
  const isWhole = scaling && Number.isInteger(scaling.slope) && Number.isInteger(scaling.inter);
  return scaling !== undefined && !isWhole && stored !== 'float64';
}

/** Scaled voxels become real numbers of 4 bytes. */
function bytesPerVoxel({ stored, scaling }: StoredLayout): number {
  return scaling && stored !== 'float64' ? 4 : storedBytes[stored];
}

/**
 * Bytes that reading takes at most: the stored voxels, and a copy if they are scaled, sorted by channel or
 * narrowed.
 */
export function bytesToRead(layout: StoredLayout): number {
  const { size, channels, stored, scaling, interleaved } = layout;
  const wide = stored === 'int64' || stored === 'uint64';
  const copied = scaling || (interleaved && channels > 1) ? bytesPerVoxel(layout) : wide ? 4 : 0;
  return dataBytes(layout) + voxelCount(size) * channels * copied;
}

/** The layout for a message: `512 x 512 x 90 voxels of int16`. */
export function describeLayout({ size, channels, stored }: StoredLayout): string {
  return `${size.join(' x ')} voxels${channels > 1 ? ` and ${channels} channels` : ''} of ${stored}`;
}
