import type { SeriesFiles } from '../../case.js';
import { DataError, listNames, show, showBytes } from '../../errors.js';
import { memoryLimit } from '../../machine.js';
import {
  allocate,
  makeVolume,
  type Volume,
  type VoxelArray,
  type VoxelType,
  voxelCount,
  voxelTypes,
} from '../../volume/volume.js';
import type { FileGrid, ReadOptions } from '../define.js';
import { showFile } from '../inputFiles.js';
import { fits, rangeOf, smallestInteger } from '../voxels.js';
import { decodeSlices } from './decode.js';
import { groupBy } from './groupBy.js';
import { type DicomFile, readHeader, type Slice } from './header.js';
import { inBatches } from './inBatches.js';
import { type StoredPixels, storedRange } from './pixels.js';
import { readSegmentation } from './readSegmentation.js';
import { affineOf, type Stack, sizeOf } from './stack.js';
import { seriesVolumes } from './volumes.js';

/** Reads what the headers of a series say. Throws DataError if they make no volume. */
export async function readSeriesGrid(files: SeriesFiles): Promise<FileGrid> {
  const stack = await openSeries(files);
  const size = sizeOf(stack);
  // Label maps of more than 255 segments are rare.
  const type = files.segmentation === undefined ? likelyType(stack) : 'uint8';
  const { BYTES_PER_ELEMENT: bytes } = voxelTypes[type];
  const slice = size[0] * size[1] * 16;
  return {
    size,
    affine: affineOf(stack),
    channels: 1,
    bytesPerVoxel: bytes,
    bytesToRead: voxelCount(size) * bytes + slice,
  };
}

/**
 * Reads a DICOM series into a volume, or a segmentation of it into a label map on its grid.
 *
 * Size [columns, rows, slices]; slices in the order of their position along the normal (row direction times
 * column direction). The affine is voxel index to mm, RAS+, sheared if the gantry was tilted. Values are
 * `slope * stored + intercept` with each slice's own numbers: integers where all of these are whole, else
 * float32.
 *
 * @throws DataError if a file is cut off, damaged or not supported, or if the slices make no regular volume.
 */
export async function readSeries(files: SeriesFiles, { kind, maxBytes }: ReadOptions): Promise<Volume> {
  const name = showFile(files);
  const most = maxBytes ?? memoryLimit();
  const { segmentation, ...images } = files;
  if (segmentation !== undefined) {
    return readSegmentation(segmentation, images, await openSeries(images), { kind, maxBytes: most });
  }
  if (kind === 'label') {
    throw new DataError(
      `${name} holds images, but label maps were expected under this key. Give a file with labels, or change labelKeys of load.`,
    );
  }
  const stack = await openSeries(files);
  const size = sizeOf(stack);
  const type = likelyType(stack);
  const needed = voxelCount(size) * voxelTypes[type].BYTES_PER_ELEMENT;
  if (needed > most) {
    throw new DataError(
      `${name} needs ${showBytes(needed)}, more than the ${showBytes(most)} that may be used.`,
    );
  }
  const data = (await fill(stack, type)) ?? ((await fill(stack, wideType(stack))) as VoxelArray);
  return makeVolume({ data, size, affine: affineOf(stack), kind, origin: { file: name } });
}

/** The stack of the volume that is asked for. */
export async function openSeries(files: SeriesFiles): Promise<Stack> {
  const name = showFile(files);
  if (files.series.length === 0)
    throw new DataError('A series without files cannot be read. Give the paths of its files.');
  const headers = await inBatches(files.series, (file) => readHeader(file));
  const images = headers.flatMap((header, i): DicomFile[] => {
    if (header && 'series' in header) return [header];
    throw new DataError(
      `${files.series[i]} is ${header?.other ?? 'not a DICOM file'}, but an image of the series was expected. Leave it out.`,
    );
  });
  const { volumes, notes } = seriesVolumes(images, files);
  if (notes.length > 0) throw new DataError(notes.join(' '));
  const wanted = volumes.filter(({ part }) => files.part === undefined || part === files.part);
  if (wanted.length !== 1) {
    const parts = volumes.map(({ part }) => show(part));
    throw new DataError(
      `${name} holds ${volumes.length} volumes, of which ${wanted.length} are asked for; name one with "part": ${listNames(parts, 'or')}.`,
    );
  }
  const [{ stack, fault }] = wanted;
  if (!stack) throw new DataError(fault);
  return stack;
}

/** The range of a slice's values. */
function sliceRange({ file, slope, intercept }: Slice): [number, number] {
  const [a, b] = storedRange(file.layout).map((value) => value * slope + intercept);
  return [Math.min(a, b), Math.max(a, b)];
}

/** The type that holds whatever the slices may store. */
function wideType({ slices, planes }: Stack): VoxelType {
  const whole = slices.every(
    ({ slope, intercept }) => Number.isInteger(slope) && Number.isInteger(intercept),
  );
  const ranges = slices.map(sliceRange);
  const range: [number, number] = [
    Math.min(...ranges.map(([a]) => a)),
    Math.max(...ranges.map(([, b]) => b)),
  ];
  const integer = whole && planes.every(({ fraction }) => fraction === 0) && smallestInteger(range);
  return integer || (slices.some(({ file }) => file.layout.bitsStored > 24) ? 'float64' : 'float32');
}

/** As `wideType`, but 16 bits for the usual CT of 16 bits with an intercept, which mostly fits. */
function likelyType(stack: Stack): VoxelType {
  const wide = wideType(stack);
  return wide === 'int32' && stack.slices.every(({ file }) => file.layout.bitsAllocated <= 16)
    ? 'int16'
    : wide;
}

/** The voxels in a type; undefined if one does not fit into it. */
async function fill(stack: Stack, type: VoxelType): Promise<VoxelArray | undefined> {
  const { slices, planes } = stack;
  const pixels = slices[0].file.layout.rows * slices[0].file.layout.columns;
  const out = allocate(type, planes.length * pixels);
  const narrow = type === 'int16' && wideType(stack) !== 'int16';
  const shares = planes.flatMap(({ low, fraction }, at) => [
    { slice: low, at, weight: 1 - fraction },
    ...(fraction > 0 ? [{ slice: low + 1, at, weight: fraction }] : []),
  ]);
  const targets = groupBy(shares, ({ slice }) => slice);
  for await (const { index, pixels: stored } of decodeSlices(slices)) {
    for (const { at, weight } of targets.get(index) ?? []) {
      const plane = out.subarray(at * pixels, (at + 1) * pixels);
      if (!rescale(stored, slices[index], weight, plane, narrow)) return undefined;
    }
  }
  return out;
}

/**
 * Adds a slice's values, times a weight, to a plane. Returns false if `checked` and one does not fit into it.
 */
function rescale(
  stored: StoredPixels,
  { slope, intercept }: Slice,
  weight: number,
  plane: VoxelArray,
  checked: boolean,
): boolean {
  if (weight !== 1) {
    for (let i = 0; i < plane.length; i++) plane[i] += weight * (slope * stored[i] + intercept);
    return true;
  }
  if (slope === 1 && intercept === 0) {
    plane.set(stored);
    return !checked || fits('int16', rangeOf(stored));
  }
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < plane.length; i++) {
    const value = slope * stored[i] + intercept;
    plane[i] = value;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return !checked || fits('int16', [low, high]);
}
