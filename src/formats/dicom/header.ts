import type { DataSet } from 'dicom-parser';
import { showBytes } from '../../errors.js';
import type { Vec3 } from '../../volume/volume.js';
import type { Opener } from '../openFile.js';
import { type DicomElements, readElements } from './elements.js';
import { isImageClass, manufacturer, segmentationClass } from './sopClasses.js';
import { isEncapsulated, syntaxName, transferSyntaxes } from './transferSyntax.js';
import { doubleOf, itemsOf, numberOf, numbersOf, textOf, uint16Of, uint32Of, vectorOf } from './values.js';

/** How the pixels of a file are stored. */
export interface PixelLayout {
  readonly rows: number;
  readonly columns: number;
  /** 8, 16 or 32. */
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly highBit: number;
  /** True for two's complement. */
  readonly signed: boolean;
}

/** Where the pixels of a file lie. */
export interface PixelPlace {
  readonly offset: number;
  /** Bytes; undefined for encapsulated (compressed) pixels, which end with a delimiter. */
  readonly length?: number;
  /** True if 8-bit pixels lie in big-endian words of two. */
  readonly swappedWords: boolean;
}

/** What tells slices of one series apart that lie at the same position. */
export interface SliceKeys {
  readonly temporalPosition?: string;
  readonly echo?: string;
  readonly imageType?: string;
  readonly diffusion?: string;
  readonly stack?: string;
  readonly trigger?: string;
  readonly acquisition?: string;
  readonly frameTime?: string;
  readonly acquisitionTime?: string;
}

/** A slice: one frame of a file. Coordinates are LPS, in mm. */
export interface Slice {
  readonly file: DicomFile;
  /** From 0. */
  readonly frame: number;
  /** The centre of the first pixel. */
  readonly position?: Vec3;
  /** Unit vectors along a row (to the next column) and along a column (to the next row). */
  readonly orientation?: readonly number[];
  /** Between rows, between columns. */
  readonly spacing?: readonly number[];
  /** Between slices as the header says it, else the thickness of a slice. */
  readonly thickness?: number;
  readonly slope: number;
  readonly intercept: number;
  readonly keys: SliceKeys;
}

/** What the header of a DICOM file says. */
export interface DicomFile {
  readonly file: string;
  readonly deflated: boolean;
  readonly sopClass: string;
  readonly sopInstance: string;
  readonly study: string;
  readonly series: string;
  readonly frameOfReference?: string;
  readonly modality: string;
  readonly seriesNumber?: number;
  readonly patientId?: string;
  readonly transferSyntax: string;
  readonly frames: number;
  readonly layout: PixelLayout;
  readonly pixels: PixelPlace;
  readonly slices: readonly Slice[];
  /** Why the file cannot be read, as a clause that continues its name; undefined for a usable file. */
  readonly fault?: string;
}

/** A DICOM file that is not an image: what it is, as a noun phrase. */
export interface OtherFile {
  readonly file: string;
  readonly other: string;
  /** True if it may be a damaged slice, of a series that cannot be known. */
  readonly suspect?: boolean;
  /** Set for a segmentation (SEG). */
  readonly segmentation?: SegmentationFile;
}

/** What a segmentation belongs to. */
export interface SegmentationFile {
  /** Its own series. */
  readonly series: string;
  /** The series that it refers to. */
  readonly of: readonly string[];
  /** The SOPInstanceUIDs of the images that it refers to. */
  readonly instances: ReadonlySet<string>;
  /** True for a result of voxstream, which does not count as a reference. */
  readonly ours: boolean;
}

/** The most frames and pixels per side that a header may claim; larger claims are damage. */
const mostFrames = 1 << 20;

/**
 * Reads the header of a DICOM file.
 *
 * @param open How the file is opened. Default: `withFile`.
 * @returns Undefined if the file is not DICOM, `OtherFile` if it does not hold images of a volume.
 * @throws DataError if the file cannot be opened or read.
 */
export async function readHeader(file: string, open?: Opener): Promise<DicomFile | OtherFile | undefined> {
  const elements = await readElements(file, open);
  if (elements === 'empty') return { file, other: 'empty', suspect: true };
  return elements && headerOf(file, elements);
}

function headerOf(file: string, elements: DicomElements): DicomFile | OtherFile {
  const set = elements.dataSet;
  const sopClass = textOf(set, 'x00080016') ?? textOf(set, 'x00020002') ?? '';
  const series = textOf(set, 'x0020000e');
  if (!series) {
    const { fault } = elements;
    return fault
      ? { file, other: `damaged (${fault})`, suspect: true }
      : { file, other: 'without a SeriesInstanceUID' };
  }
  const other = isImageClass(sopClass);
  if (other !== true) {
    return {
      file,
      other,
      ...(sopClass === segmentationClass && { segmentation: referencesOf(set, series) }),
    };
  }
  if (/\bLOCALIZER\b/.test(textOf(set, 'x00080008') ?? '')) return { file, other: 'a localizer' };

  const transferSyntax = textOf(set, 'x00020010') ?? transferSyntaxes.implicitLittle;
  const bits = uint16Of(set, 'x00280100') ?? 0;
  const stored = uint16Of(set, 'x00280101') ?? bits;
  const layout: PixelLayout = {
    rows: uint16Of(set, 'x00280010') ?? 0,
    columns: uint16Of(set, 'x00280011') ?? 0,
    bitsAllocated: bits,
    bitsStored: stored,
    highBit: uint16Of(set, 'x00280102') ?? stored - 1,
    signed: uint16Of(set, 'x00280103') === 1,
  };
  const frames = numberOf(set, 'x00280008') ?? 1;
  const element = set.elements['x7fe00010'];
  const pixels: PixelPlace = {
    offset: element?.dataOffset ?? 0,
    ...(element && !element.hadUndefinedLength && { length: element.length }),
    swappedWords: transferSyntax === transferSyntaxes.explicitBig && element?.vr === 'OW',
  };
  const fault = faultOf(elements, { layout, frames, pixels, transferSyntax });
  const slices: Slice[] = [];
  const described: DicomFile = {
    file,
    deflated: elements.deflated,
    sopClass,
    sopInstance: textOf(set, 'x00080018') ?? '',
    study: textOf(set, 'x0020000d') ?? '',
    series,
    frameOfReference: textOf(set, 'x00200052'),
    modality: textOf(set, 'x00080060') ?? '',
    seriesNumber: numberOf(set, 'x00200011'),
    patientId: textOf(set, 'x00100020'),
    transferSyntax,
    frames,
    layout,
    pixels,
    slices,
    fault,
  };
  // A damaged number of frames must not make millions of slices: those of a faulty file are not used anyway.
  const shared = itemsOf(set, 'x52009229')[0];
  const perFrame = itemsOf(set, 'x52009230');
  for (let frame = 0; frame < (fault ? 1 : frames); frame++) {
    slices.push(sliceOf(described, frame, set, perFrame.length > 0 ? [perFrame[frame], shared] : undefined));
  }
  return described;
}

function referencesOf(set: DataSet, series: string): SegmentationFile {
  const referenced = itemsOf(set, 'x00081115');
  const uids = (items: readonly DataSet[], tag: string) => items.flatMap((item) => textOf(item, tag) ?? []);
  return {
    series,
    of: uids(referenced, 'x0020000e'),
    ours: textOf(set, 'x00080070') === manufacturer,
    instances: new Set(referenced.flatMap((item) => uids(itemsOf(item, 'x0008114a'), 'x00081155'))),
  };
}

/** Why the pixels of a file cannot be used. */
function faultOf(
  { dataSet, bytes, fault }: DicomElements,
  {
    layout,
    frames,
    pixels,
    transferSyntax,
  }: { layout: PixelLayout; frames: number; pixels: PixelPlace; transferSyntax: string },
): string | undefined {
  const { rows, columns, bitsAllocated, bitsStored, highBit } = layout;
  if (fault !== undefined) return `has a damaged header (${fault}). Copy or download it again`;
  if (!(rows > 0 && columns > 0 && Number.isSafeInteger(frames) && frames > 0 && frames <= mostFrames)) {
    return `has a damaged header: ${rows} rows, ${columns} columns and ${frames} frames. Copy or download it again`;
  }
  const samples = uint16Of(dataSet, 'x00280002') ?? 1;
  const photometric = textOf(dataSet, 'x00280004') ?? 'MONOCHROME2';
  if (samples !== 1 || !/^MONOCHROME[12]$/.test(photometric)) {
    return `holds ${samples} value(s) per pixel (${photometric}), but grey values were expected. Leave it out`;
  }
  if (dataSet.elements['x00283000']) {
    return 'maps its values by a table (Modality LUT Sequence), which is not supported. Convert it to a rescale slope';
  }
  if (
    ![8, 16, 32].includes(bitsAllocated) ||
    bitsStored < 1 ||
    highBit >= bitsAllocated ||
    highBit + 1 < bitsStored
  ) {
    return (
      `stores ${bitsStored} of ${bitsAllocated} bits, up to bit ${highBit}, but 8, 16 or 32 bits per pixel were expected. ` +
      'Convert it'
    );
  }
  if (!dataSet.elements['x7fe00010']) {
    const float = dataSet.elements['x7fe00008'] ?? dataSet.elements['x7fe00009'];
    return float
      ? 'holds real numbers (Float Pixel Data), which are not supported. Convert it'
      : cutOff('its header');
  }
  const syntax = syntaxName(transferSyntax);
  if (syntax === undefined)
    return `has the transfer syntax ${transferSyntax}, which is not known. Convert it`;
  if (isEncapsulated(transferSyntax)) {
    return pixels.length === undefined
      ? undefined
      : `says ${syntax}, but its pixels are not in fragments. Convert it again`;
  }
  const expected = (rows * columns * frames * bitsAllocated) / 8;
  const { offset, length = 0 } = pixels;
  if (offset + length > bytes || length < expected) {
    const there = Math.min(length, bytes - offset);
    return (
      `is cut off: ${rows} x ${columns} pixels in ${frames} frame(s) take ${showBytes(expected)}, but it holds ` +
      `${showBytes(Math.max(0, there))}. Copy or download it again`
    );
  }
  // One byte pads to an even length; more hides a wrong dimension.
  if (length > expected + 1) {
    return (
      `holds ${length - expected} bytes more than ${rows} x ${columns} pixels in ${frames} frame(s) take. Check its Rows, ` +
      'Columns and NumberOfFrames'
    );
  }
  return undefined;
}

function cutOff(what: string): string {
  return `is cut off within ${what}: it has no pixels. Copy or download it again`;
}

/**
 * A frame's description. `groups` are the functional groups of an enhanced object that apply to it, the
 * nearest first; undefined for other objects. Enhanced objects have other types of tags.
 */
function sliceOf(
  file: DicomFile,
  frame: number,
  set: DataSet,
  groups: readonly (DataSet | undefined)[] | undefined,
): Slice {
  /** The first value that `read` finds in a functional group. */
  const nested = <T>(group: string, read: (inner: DataSet) => T | undefined): T | undefined => {
    for (const one of groups ?? []) {
      const value = itemsOf(one, group).map(read)[0];
      if (value !== undefined) return value;
    }
    return undefined;
  };
  /** A value of a functional group, or of the data set itself. */
  const anywhere = <T>(group: string, read: (inner: DataSet) => T | undefined) =>
    nested(group, read) ?? read(set);
  const orientation = anywhere('x00209116', (inner) => numbersOf(inner, 'x00200037'));
  const spacing = anywhere('x00289110', (inner) => numbersOf(inner, 'x00280030'));
  return {
    file,
    frame,
    position: anywhere('x00209113', (inner) => vectorOf(inner, 'x00200032')),
    orientation: orientation?.length === 6 ? orientation : undefined,
    spacing: spacing?.length === 2 ? spacing : undefined,
    thickness:
      anywhere('x00289110', (inner) => numberOf(inner, 'x00180088')) ??
      anywhere('x00289110', (inner) => numberOf(inner, 'x00180050')),
    slope: anywhere('x00289145', (inner) => numberOf(inner, 'x00281053')) ?? 1,
    intercept: anywhere('x00289145', (inner) => numberOf(inner, 'x00281052')) ?? 0,
    keys: groups ? nestedKeys(nested) : plainKeys(set),
  };
}

function plainKeys(set: DataSet): SliceKeys {
  return {
    temporalPosition: textOf(set, 'x00200100'),
    echo: textOf(set, 'x00180081'),
    imageType: textOf(set, 'x00080008'),
    diffusion: doubleOf(set, 'x00189087')?.toString(),
    trigger: textOf(set, 'x00181060'),
    acquisition: textOf(set, 'x00200012'),
    frameTime: textOf(set, 'x00541300'),
    acquisitionTime: textOf(set, 'x00080032'),
  };
}

function nestedKeys(
  nested: (group: string, read: (inner: DataSet) => string | undefined) => string | undefined,
): SliceKeys {
  return {
    temporalPosition: nested('x00209111', (inner) => uint32Of(inner, 'x00209128')?.toString()),
    echo: nested('x00189114', (inner) => doubleOf(inner, 'x00189082')?.toString()),
    imageType: nested('x00189226', (inner) => textOf(inner, 'x00089007')),
    diffusion: nested('x00189117', (inner) => doubleOf(inner, 'x00189087')?.toString()),
    stack: nested('x00209111', (inner) => textOf(inner, 'x00209056')),
    trigger: nested('x00189118', (inner) => doubleOf(inner, 'x00209153')?.toString()),
    acquisition: nested('x00209111', (inner) => uint16Of(inner, 'x00209156')?.toString()),
    acquisitionTime: nested('x00209111', (inner) => textOf(inner, 'x00189074')),
  };
}
