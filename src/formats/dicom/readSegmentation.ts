import type { DataSet } from 'dicom-parser';
import type { SeriesFiles } from '../../case.js';
import { DataError, show, showBytes } from '../../errors.js';
import {
  allocate,
  makeVolume,
  type Vec3,
  type Volume,
  type VoxelArray,
  voxelCount,
  voxelTypes,
} from '../../volume/volume.js';
import type { ReadOptions } from '../define.js';
import { showFile } from '../inputFiles.js';
import { withFile } from '../openFile.js';
import { smallestInteger } from '../voxels.js';
import { type DicomElements, readElements, readInflated } from './elements.js';
import { manufacturer, segmentationClass } from './sopClasses.js';
import { affineOf, minus, originOf, type Stack, sizeOf } from './stack.js';
import { isEncapsulated, syntaxName, transferSyntaxes } from './transferSyntax.js';
import { itemsOf, numberOf, numbersOf, textOf, uint16Of, vectorOf } from './values.js';

/** How far a frame may lie from a slice, as a part of the pixel spacing. */
const tolerance = 0.05;

/** A segment of a segmentation. */
interface StoredSegment {
  readonly number: number;
  readonly name: string;
  /** Its value in the label map. */
  readonly label: number;
}

/**
 * Reads a binary DICOM segmentation (SEG) as a label map on the grid of its series. PS3.3, A.51.
 *
 * Each frame has to lie on a slice: its position may be off by a twentieth of a pixel. A label is the number
 * of its segment; in segmentations that voxstream wrote it is the label that the segment was made from.
 *
 * @param files The series that the segmentation belongs to.
 * @param stack Its slices.
 * @throws DataError if the segmentation is damaged, not binary, compressed, on another grid, or if segments
 * overlap.
 */
export async function readSegmentation(
  file: string,
  files: SeriesFiles,
  stack: Stack,
  { kind, maxBytes }: Pick<ReadOptions, 'kind'> & { readonly maxBytes: number },
): Promise<Volume> {
  const elements = await readElements(file);
  if (!elements || elements === 'empty') throw new DataError(`${file} is not a DICOM file. Leave it out.`);
  const size = sizeOf(stack);
  const fault = faultOf(elements, size);
  if (fault !== undefined) throw new DataError(`${file} ${fault}.`);
  const set = elements.dataSet;
  const segments = segmentsIn(set, file);
  const type = smallestInteger([0, Math.max(0, ...segments.map(({ label }) => label))]) ?? 'int32';
  const needed = voxelCount(size) * voxelTypes[type].BYTES_PER_ELEMENT;
  if (needed > maxBytes) {
    throw new DataError(
      `${file} needs ${showBytes(needed)}, more than the ${showBytes(maxBytes)} that may be used.`,
    );
  }
  const data = allocate(type, voxelCount(size));
  const bits = await packedBits(file, elements);
  const byNumber = new Map(segments.map((segment) => [segment.number, segment]));
  const byLabel = new Map(segments.map((segment) => [segment.label, segment]));
  const [shared] = itemsOf(set, 'x52009229');
  for (const [frame, own] of itemsOf(set, 'x52009230').entries()) {
    const groups = [own, shared];
    const name = `frame ${frame + 1} of ${file}`;
    const number = nested(groups, 'x0062000a', (inner) => uint16Of(inner, 'x0062000b'));
    const segment = byNumber.get(number ?? 0);
    if (!segment) {
      throw new DataError(
        `${name} is of segment ${number}, which the file does not describe. Export it again.`,
      );
    }
    const plane = planeOf(groups, stack);
    if (typeof plane === 'string') {
      throw new DataError(
        `${name} ${plane} of ${showFile({ series: files.series, part: files.part })}. Leave the segmentation out, or convert ` +
          'it to a label map on the grid of the series.',
      );
    }
    const taken = mark(data, bits, { frame, plane, pixels: size[0] * size[1], label: segment.label });
    if (taken === undefined) continue;
    throw new DataError(
      `${file} has segments that overlap, ${show(byLabel.get(taken)?.name)} and ${show(segment.name)}, which one label map ` +
        'cannot hold. Export them to separate files.',
    );
  }
  const labelNames = Object.fromEntries(segments.map(({ label, name }) => [label, name]));
  return makeVolume({ data, size, affine: affineOf(stack), kind, labelNames, origin: { file } });
}

/** Why a file cannot be read as a segmentation on a grid, as a clause that continues its name. */
function faultOf({ dataSet: set, bytes, fault }: DicomElements, [columns, rows]: Vec3): string | undefined {
  if (fault !== undefined) return `has a damaged header (${fault}). Copy or download it again`;
  if (textOf(set, 'x00080016') !== segmentationClass) {
    return 'is not a segmentation (SEG), which was expected. Leave it out';
  }
  const type = textOf(set, 'x00620001');
  const bits = uint16Of(set, 'x00280100');
  if (type !== 'BINARY' || bits !== 1) {
    return `is a segmentation of type ${type} with ${bits} bits per pixel, but a binary one was expected. Convert it`;
  }
  const syntax = textOf(set, 'x00020010') ?? transferSyntaxes.implicitLittle;
  if (isEncapsulated(syntax) || syntaxName(syntax) === undefined) {
    return `is compressed as ${syntaxName(syntax) ?? syntax}, which is not supported for segmentations. Export it uncompressed`;
  }
  const [height, width] = [uint16Of(set, 'x00280010') ?? 0, uint16Of(set, 'x00280011') ?? 0];
  if (height !== rows || width !== columns) {
    return `has frames of ${height} x ${width} pixels, but the series has ${rows} x ${columns}. Convert it to the grid of the series`;
  }
  const frames = itemsOf(set, 'x52009230').length;
  const stated = numberOf(set, 'x00280008');
  if (frames === 0 || stated !== frames) {
    return `says that it has ${stated} frames, but describes ${frames}. Export it again`;
  }
  const pixels = set.elements['x7fe00010'];
  const expected = Math.ceil((frames * rows * columns) / 8);
  if (!pixels || pixels.length < expected || pixels.dataOffset + pixels.length > bytes) {
    return `is cut off: ${frames} frames of ${rows} x ${columns} pixels take ${showBytes(expected)}. Copy or download it again`;
  }
  return undefined;
}

function segmentsIn(set: DataSet, file: string): StoredSegment[] {
  const items = itemsOf(set, 'x00620002');
  const numbers = items.map((item) => uint16Of(item, 'x00620004') ?? 0);
  // What `describeSegment` writes.
  const described = items.map((item) => /^Label (\d+)$/.exec(textOf(item, 'x00620006') ?? '')?.[1]);
  const ours =
    textOf(set, 'x00080070') === manufacturer &&
    described.every((label) => label !== undefined) &&
    new Set(described).size === items.length;
  if (items.length === 0 || numbers.includes(0) || new Set(numbers).size < items.length) {
    throw new DataError(
      `${file} has ${items.length} segments with the numbers ${show(numbers)}, but different numbers from 1 on were expected. ` +
        'Export it again.',
    );
  }
  return items.map((item, i) => ({
    number: numbers[i],
    name: textOf(item, 'x00620005') ?? `segment ${numbers[i]}`,
    label: ours ? Number(described[i]) : numbers[i],
  }));
}

/** The first value that `read` finds in functional groups, the nearest first. */
function nested<T>(
  groups: readonly (DataSet | undefined)[],
  tag: string,
  read: (inner: DataSet) => T | undefined,
): T | undefined {
  for (const group of groups) {
    const [value] = itemsOf(group, tag).map(read);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** The plane of a stack that a frame lies on; if on none, a clause that continues the frame's name. */
function planeOf(groups: readonly (DataSet | undefined)[], stack: Stack): number | string {
  const { orientation, spacing } = stack.slices[0];
  const position = nested(groups, 'x00209113', (inner) => vectorOf(inner, 'x00200032'));
  const turned = nested(groups, 'x00209116', (inner) => numbersOf(inner, 'x00200037'));
  const measured = nested(groups, 'x00289110', (inner) => numbersOf(inner, 'x00280030'));
  if (!position || turned?.length !== 6 || measured?.length !== 2) {
    return 'has no usable position, orientation or pixel spacing, and cannot be placed on the slices';
  }
  const near = (a: readonly number[], b: readonly number[]) =>
    a.every((value, i) => Math.abs(value - b[i]) < 1e-3);
  if (!near(turned, orientation) || !near(measured, spacing)) {
    return 'has another orientation or pixel spacing than the slices';
  }
  const most = tolerance * Math.min(...spacing);
  const plane = stack.planes.findIndex((_, i) => Math.hypot(...minus(position, originOf(stack, i))) <= most);
  return plane >= 0 ? plane : `lies at ${position.join('\\')}, which is not the place of one of the slices`;
}

/** The pixels of all frames, a bit each. */
async function packedBits(file: string, { dataSet, deflated }: DicomElements): Promise<Uint8Array> {
  const { dataOffset, length } = dataSet.elements['x7fe00010'];
  if (deflated) return (await readInflated(file)).subarray(dataOffset, dataOffset + length);
  return withFile(file, async (open) => {
    const bits = Buffer.alloc(length);
    await open.read(bits, dataOffset);
    return bits;
  });
}

/** Gives the pixels of a frame their label. Returns another label that one of them has already. */
function mark(
  data: VoxelArray,
  bits: Uint8Array,
  { frame, plane, pixels, label }: { frame: number; plane: number; pixels: number; label: number },
): number | undefined {
  for (let i = 0; i < pixels; i++) {
    const bit = frame * pixels + i;
    if (((bits[bit >> 3] >> (bit & 7)) & 1) === 0) continue;
    const at = plane * pixels + i;
    if (data[at] !== 0 && data[at] !== label) return data[at];
    data[at] = label;
  }
  return undefined;
}
