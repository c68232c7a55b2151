import { gunzipSync } from 'node:zlib';
import type { BinaryFile, Image } from 'itk-wasm';
import { DataError, messageOf, show, showBytes } from '../../errors.js';
import { memoryLimit } from '../../machine.js';
import { toRas } from '../../volume/affine.js';
import {
  type Affine,
  copyVoxels,
  makeVolume,
  type Triple,
  type Vec3,
  type Volume,
  type VoxelArray,
} from '../../volume/volume.js';
import { checkAffine, checkSize } from '../checks.js';
import type { FileGrid, ReadOptions } from '../define.js';
import { inflateFault, isGzip } from '../inflate.js';
import { runItkPipeline } from '../itkWasm.js';
import { dataBytes, gridOf, type StoredLayout, type StoredType } from '../layout.js';
import { readStart, withFile } from '../openFile.js';
import { finishVoxels } from '../voxels.js';
import { inspectGipl } from './gipl.js';
import { type ItkKind, kindOf } from './kinds.js';
import { inspectMrc } from './mrc.js';
import type { StoredImage } from './stored.js';
import { inspectTiff, slicesOnly } from './tiff.js';
import { inspectVtk } from './vtk.js';

/** How a format is read. */
interface Way {
  /** The pipeline of `@itk-wasm/image-io`. */
  readonly pipeline: string;
  /** The extension by which the pipeline knows the format. */
  readonly extension: string;
  /** Checks what itk-wasm does not. HDF5 and MINC need none: the HDF5 library compares lengths. */
  readonly inspect?: (bytes: Buffer, file: string) => StoredImage;
  /** The content that itk-wasm gets in place of the file's. */
  readonly prepare?: (bytes: Buffer) => Buffer;
  /** The axes of the coordinates that itk-wasm returns. It does not convert those of MINC, which are RAS. */
  readonly space: 'LPS' | 'RAS';
}

const ways: Readonly<Partial<Record<ItkKind['name'], Way>>> = {
  HDF5: { pipeline: 'hdf5-read-image', extension: 'hdf5', space: 'LPS' },
  MINC: { pipeline: 'minc-read-image', extension: 'mnc', space: 'RAS' },
  GIPL: { pipeline: 'gipl-read-image', extension: 'gipl', space: 'LPS', inspect: inspectGipl },
  VTK: { pipeline: 'vtk-read-image', extension: 'vtk', space: 'LPS', inspect: inspectVtk },
  MRC: { pipeline: 'mrc-read-image', extension: 'mrc', space: 'LPS', inspect: inspectMrc },
  TIFF: {
    pipeline: 'tiff-read-image',
    extension: 'tif',
    space: 'LPS',
    inspect: inspectTiff,
    prepare: slicesOnly,
  },
};

/** itk-wasm has 32-bit memory, for the file and the voxels. */
const itkLimit = 2 ** 31;

/** A file in memory, and how to read it. */
interface Opened {
  readonly bytes: Buffer;
  readonly format: string;
  readonly way: Way;
  readonly header?: StoredImage;
}

/** What a file of one of the formats says about its volume. */
export async function readItkGrid(file: string): Promise<FileGrid> {
  const opened = await open(file, memoryLimit());
  const { layout, affine } = await describe(opened, file, undefined);
  const grid = gridOf({ ...layout, affine });
  const states = opened.header === undefined || opened.header.place !== undefined;
  return {
    ...grid,
    bytesToRead: 2 * opened.bytes.length + 2 * grid.bytesToRead,
    ...(!states && { unspaced: true }),
  };
}

/** Reads a file of one of the formats. */
export async function readItk(file: string, options: ReadOptions): Promise<Volume> {
  const { kind, maxBytes = memoryLimit(), spacing } = options;
  const opened = await open(file, maxBytes);
  const { format, header } = opened;
  if (header && !header.place && !spacing) {
    throw new DataError(
      `${file} is a ${format} file, which does not state the size of its voxels reliably. Give it in mm (columns, ` +
        'rows, slices): load: { spacing: [0.5, 0.5, 2] } in a pipeline, or { file, spacing } in a program.',
    );
  }
  const { layout, affine } = await describe(opened, file, spacing);
  const needed = opened.bytes.length + dataBytes(layout);
  if (needed > Math.min(maxBytes, itkLimit)) {
    throw new DataError(
      `${file} needs ${showBytes(needed)} of memory, but only ${showBytes(Math.min(maxBytes, itkLimit))} are ` +
        'available. Convert it to NIfTI, or crop it.',
    );
  }
  const image = await runReader(opened, file, false);
  const found = layoutOf(image, file, format);
  const voxels = image.data as VoxelArray | BigInt64Array | BigUint64Array | null;
  const count = dataBytes({ ...found, stored: 'uint8' });
  if (describeStored(found) !== describeStored(layout) || voxels?.length !== count) {
    throw new DataError(
      `${file} holds ${describeStored(layout)} by its header, but itk-wasm reads ${describeStored(found)}. ` +
        'It is damaged, or of an unknown form; convert it to NIfTI.',
    );
  }
  const finished = finishVoxels(toVoxels(voxels), layout, file, options);
  return makeVolume({
    size: layout.size,
    affine,
    channels: layout.channels,
    kind,
    data: finished.voxels,
    origin: { file },
    notes: [...(header?.notes ?? []), ...finished.notes],
  });
}

async function open(file: string, maxBytes: number): Promise<Opened> {
  const packed = await withFile(file, async (opened, size) => {
    if (size > Math.min(maxBytes, itkLimit)) {
      throw new DataError(
        `${file} has ${showBytes(size)}, but ${showBytes(Math.min(maxBytes, itkLimit))} at most can be read in ` +
          'this format. Convert it to NIfTI, or crop it.',
      );
    }
    return readStart(opened, size);
  });
  const bytes = isGzip(packed) ? inflate(packed, Math.min(maxBytes, itkLimit), file) : packed;
  const start = bytes.subarray(0, 4096);
  const found = kindOf(start);
  const format = found === 'HDF5' && /\.mnc2?$/i.test(file) ? 'MINC' : found;
  if (format === 'MINC 1') {
    throw new DataError(
      `${file} is a MINC 1 file, but MINC 2 was expected. Convert it: mincconvert -2 IN.mnc OUT.mnc.`,
    );
  }
  const way = format && ways[format];
  if (!way) {
    const begins = bytes.length === 0 ? 'is empty' : `begins with ${show(start.toString('latin1', 0, 8))}`;
    throw new DataError(
      `${file} is not an image of the format that its name says: it ${begins}. Check that it is the right file, or ` +
        'copy or download it again.',
    );
  }
  return { bytes, format, way, header: way.inspect?.(bytes, file) };
}

function inflate(packed: Buffer, maxBytes: number, file: string): Buffer {
  try {
    return gunzipSync(packed, { maxOutputLength: maxBytes });
  } catch (error) {
    throw inflateFault(error, file);
  }
}

/** The layout and the affine of a file: by our own code, or from itk-wasm where that checks files itself. */
async function describe(
  opened: Opened,
  file: string,
  spacing: Vec3 | undefined,
): Promise<{ layout: StoredLayout; affine: Affine }> {
  const { header, way, format } = opened;
  const image = header ? undefined : await runReader(opened, file, true);
  const layout = image
    ? layoutOf(image, file, format)
    : { ...(header as StoredImage), interleaved: true, littleEndian: true, offset: 0 };
  const affine = toRas(image ? placeOf(image) : straight(header?.place, spacing), way.space);
  checkAffine(affine, 'spacing, directions and origin', file);
  return { layout, affine };
}

/** Runs the pipeline of a format. It knows formats by the extension, so the file gets a name. */
async function runReader(
  { bytes, format, way }: Opened,
  file: string,
  informationOnly: boolean,
): Promise<Image> {
  const { InterfaceTypes } = await import('itk-wasm');
  const input: BinaryFile = {
    path: `image.${way.extension}`,
    data: new Uint8Array(way.prepare?.(bytes) ?? bytes),
  };
  const clause = (text: string) =>
    new DataError(
      `${file} cannot be read as ${format}: ${text}. It is cut off, damaged, or not an image; copy or download it ` +
        'again, or convert it to NIfTI.',
    );
  try {
    const [couldRead, image] = await runItkPipeline(
      '@itk-wasm/image-io',
      way.pipeline,
      [input.path, '0', '1', '--memory-io', ...(informationOnly ? ['--information-only'] : [])],
      [{ type: InterfaceTypes.JsonCompatible }, { type: InterfaceTypes.Image }],
      [{ type: InterfaceTypes.BinaryFile, data: input }],
    );
    if (couldRead.data && image.data) return image.data as Image;
  } catch (error) {
    throw clause(messageOf(error));
  }
  throw clause('itk-wasm does not recognize it');
}

const storedTypes: readonly string[] = [
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'float32',
  'float64',
] satisfies StoredType[];

/** The layout of an image that itk-wasm read. */
function layoutOf({ size, imageType }: Image, file: string, format: string): StoredLayout {
  const { componentType, components, pixelType } = imageType;
  if (size.length > 3) {
    throw new DataError(`${file} is ${size.length}D (${size.join(' x ')}). Split it into 3D images.`);
  }
  checkSize(size, components, file);
  if (!storedTypes.includes(componentType) || pixelType === 'Complex') {
    throw new DataError(
      `${file} holds voxels of type ${pixelType} of ${componentType}, but whole or real numbers were expected. ` +
        `Convert this ${format} file.`,
    );
  }
  return {
    size,
    channels: components,
    interleaved: true,
    stored: componentType as StoredType,
    littleEndian: true,
    offset: 0,
  };
}

function describeStored({ size, channels, stored }: StoredLayout): string {
  return `${size.join(' x ')} voxels of ${channels} x ${stored}`;
}

/** Voxel index to mm in the space of the file. `direction` holds the rows of the matrix. */
function placeOf({ direction, spacing, origin }: Image): Affine {
  const rows = [0, 1, 2].flatMap((row) => [
    ...[0, 1, 2].map((axis) => Number(direction[3 * row + axis]) * spacing[axis]),
    origin[row],
  ]);
  return [...rows, 0, 0, 0, 1];
}

function straight(place: StoredImage['place'], given: Vec3 | undefined): Affine {
  const [x, y, z] = place?.spacing ?? given ?? [1, 1, 1];
  const [a, b, c] = place?.origin ?? ([0, 0, 0] satisfies Triple);
  return [x, 0, 0, a, 0, y, 0, b, 0, 0, z, c, 0, 0, 0, 1];
}

/** Voxels on shared memory; 64-bit integers as float64, rounded beyond 2^53. */
function toVoxels(data: VoxelArray | BigInt64Array | BigUint64Array): VoxelArray {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    return copyVoxels(Float64Array.from(data, Number));
  }
  return copyVoxels(data);
}
