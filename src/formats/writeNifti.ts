import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip, type ZlibOptions } from 'node:zlib';
import { DataError, OptionError, show } from '../errors.js';
import {
  type Volume,
  type VolumeKind,
  type VoxelArray,
  type VoxelType,
  voxelTypeOf,
  voxelTypes,
} from '../volume/volume.js';
import { writeAside } from './aside.js';
import { labelTable } from './labelTable.js';
import { makeNiftiHeader } from './makeNiftiHeader.js';
import {
  countNonFinite,
  fits,
  type IntegerType,
  integerRanges,
  isReal,
  position,
  rangeOf,
  smallestInteger,
} from './voxels.js';

/** How a NIfTI file is written. */
export interface WriteNiftiOptions {
  /**
   * Type of the stored voxels. Default: `auto`, the smallest unsigned integer type for labels (signed where
   * one is negative) and float32 for the rest.
   */
  readonly dtype?: 'auto' | VoxelType;
  /**
   * The volume whose header fields (form codes, units, description) are kept. Default: the one that is
   * written.
   */
  readonly like?: Volume;
  /** Store the names of labels in the file; see `labelTable`. Default: false. */
  readonly labelTable?: boolean;
}

/**
 * The settings of gzip. Level 1 takes half the time of level 4 and a quarter of that of level 6, and makes CT
 * files a few percent larger. One-byte label maps are runs of equal bytes, which `Z_RLE` makes as small as
 * level 4, five times as fast.
 */
function gzipOptions(kind: VolumeKind, type: VoxelType): ZlibOptions {
  const runs = kind === 'label' && (type === 'uint8' || type === 'int8');
  const strategy = runs ? constants.Z_RLE : constants.Z_DEFAULT_STRATEGY;
  return { level: 1, strategy, chunkSize: pieceLength };
}

/** Voxels that are converted and written at a time. */
const pieceLength = 1 << 20;

/**
 * Writes a volume as NIfTI: gzip-compressed if the name ends in `.gz`, else plain. NIfTI-1, or NIfTI-2 if a
 * size exceeds 32767; several channels become the fourth dimension.
 *
 * Form codes, units and description are kept from the file that the volume came from; the affine is stored in
 * the precision of float32. Voxels that become integers are rounded to the nearest one, halves up. The file
 * appears whole or not at all.
 *
 * @throws OptionError if the name ends in neither `.nii` nor `.nii.gz`.
 * @throws DataError if a voxel does not fit `dtype`, or the file cannot be written.
 */
export async function writeNifti(
  file: string,
  volume: Volume,
  options: WriteNiftiOptions = {},
): Promise<void> {
  if (!/\.nii(\.gz)?$/i.test(file)) {
    throw new OptionError(`${show(file)} cannot be written: its name must end in .nii or .nii.gz.`);
  }
  const type = chooseType(file, volume, options.dtype ?? 'auto');
  const { labelNames } = volume;
  const header = makeNiftiHeader({
    ...(options.labelTable && labelNames && { extension: labelTable(labelNames) }),
    size: volume.size,
    channels: volume.channels,
    type,
    affine: volume.affine,
    fields: (options.like ?? volume).origin?.nifti,
  });
  await writeAside(file, async (temporary) => {
    const handle = await open(temporary, 'wx');
    const source = Readable.from(pieces(header, volume.data, type), {
      objectMode: false,
      highWaterMark: 4 * pieceLength,
    });
    const target = handle.createWriteStream();
    if (/\.gz$/i.test(file)) {
      await pipeline(source, createGzip(gzipOptions(volume.kind, type)), target);
    } else {
      await pipeline(source, target);
    }
  });
}

/** The type to store. Throws DataError if voxels do not fit it. */
function chooseType(file: string, { data, kind, size }: Volume, dtype: 'auto' | VoxelType): VoxelType {
  const given = voxelTypeOf(data);
  if (dtype === given) return dtype;
  if (dtype === 'auto' && kind === 'label' && given === 'uint8') return given;
  const refuse = (found: string, advice: string) =>
    new DataError(`${file} cannot be written: ${found}. ${advice}`);

  const wanted = dtype === 'auto' ? (kind === 'label' ? 'an integer type' : 'float32') : dtype;
  if (wanted === 'float32' || wanted === 'float64') {
    if (wanted === 'float32' && given === 'float64') {
      const far = rangeOf(data).find(
        (value) => Number.isFinite(value) && !Number.isFinite(Math.fround(value)),
      );
      if (far !== undefined) throw refuse(`float32 does not hold its voxel ${far}`, 'Choose dtype float64.');
    }
    return wanted;
  }
  if (isReal(data)) {
    const { count, first } = countNonFinite(data);
    if (count > 0) {
      throw refuse(
        `${wanted} does not hold its voxel ${data[first]} (at ${position(first, size)})`,
        'Choose dtype float32.',
      );
    }
  }
  const [low, high] = rangeOf(data).map(Math.round);
  const smallest = smallestInteger([low, high]);
  const type = dtype === 'auto' ? smallest : (dtype as IntegerType);
  if (!type || !fits(type, [low, high])) {
    const held = type
      ? `${type} does not hold (${integerRanges[type].join(' to ')})`
      : 'no integer type holds';
    throw refuse(
      `its voxels go from ${low} to ${high}, which ${held}`,
      `Choose dtype ${smallest ?? 'float32'}.`,
    );
  }
  return type;
}

/**
 * The file's bytes, some megabytes at a time, so that converting does not need a copy of the whole volume.
 */
function* pieces(header: Uint8Array, data: VoxelArray, type: VoxelType): Generator<Buffer> {
  yield Buffer.from(header);
  const convert = voxelTypeOf(data) !== type;
  const round = convert && isReal(data) && type in integerRanges;
  for (let start = 0; start < data.length; start += pieceLength) {
    let piece = data.subarray(start, start + pieceLength);
    if (convert) {
      const converted = new voxelTypes[type](piece.length);
      if (round) for (let i = 0; i < piece.length; i++) converted[i] = Math.round(piece[i]);
      else converted.set(piece);
      piece = converted;
    }
    yield Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
  }
}
