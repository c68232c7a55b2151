import { DataError } from '../../errors.js';
import { checkSize } from '../checks.js';
import { dataBytes, type StoredType } from '../layout.js';
import { noDirections } from './faults.js';
import type { StoredImage } from './stored.js';
import { readTiffPages, type TiffPage, withPages } from './tiffPages.js';

/** Types by the sample format (1 unsigned, 2 signed, 3 real) and the bits of a sample. */
const types: Readonly<Record<string, StoredType>> = {
  '1 8': 'uint8',
  '2 8': 'int8',
  '1 16': 'uint16',
  '2 16': 'int16',
  '1 32': 'uint32',
  '2 32': 'int32',
  '3 32': 'float32',
  '3 64': 'float64',
};

/** A TIFF field by its number; see `readTiffPages`. */
const tags = {
  subfileType: 254,
  width: 256,
  height: 257,
  bits: 258,
  compression: 259,
  photometric: 262,
  fillOrder: 266,
  description: 270,
  stripOffsets: 273,
  orientation: 274,
  samples: 277,
  rowsPerStrip: 278,
  stripBytes: 279,
  planar: 284,
  predictor: 317,
  tileWidth: 322,
  tileHeight: 323,
  tileOffsets: 324,
  tileBytes: 325,
  sampleFormat: 339,
  jpegTables: 347,
  lsm: 34412,
} as const;

/** The fields that say how pixels are stored. */
const pixelFields: ReadonlySet<number> = new Set(
  Object.values(tags).filter((tag) => tag !== tags.description && tag !== tags.lsm),
);

/** Bits of the subfile type: a smaller copy of another page, or a mask of one. */
const copyOrMask = 1 | 4;

/**
 * Checks a TIFF or LSM file whose pages are the slices of one volume: equal in size and type, each of them
 * whole. Thumbnails are ignored.
 *
 * Source: TIFF 6.0 (Adobe, 1992).
 */
export function inspectTiff(bytes: Buffer, file: string): StoredImage {
  const refuse = (sentence: string) => new DataError(`${file} ${sentence}`);
  const all = readTiffPages(bytes);
  if (typeof all === 'string') throw refuse(`is cut off or damaged: ${all}. Copy or download it again.`);
  const pages = all.filter(isSlice);
  const forms = pages.map((page) =>
    [
      number(page, tags.width, 0),
      number(page, tags.height, 0),
      number(page, tags.samples, 1),
      number(page, tags.sampleFormat, 1),
      number(page, tags.bits, 1),
      number(page, tags.photometric, 1),
      number(page, tags.planar, 1),
    ].join(' '),
  );
  if (pages.length === 0) throw refuse('holds no image. Check that it is the right file.');
  const differing = forms.findIndex((form) => form !== forms[0]);
  if (differing > 0) {
    throw refuse(
      `has pages of different size or type (the first and number ${differing + 1}), but slices of one volume ` +
        'were expected. Split it.',
    );
  }
  const [width, height, channels, sampleFormat, bits, photometric, planar] = forms[0].split(' ').map(Number);
  const size = pages.length > 1 ? [width, height, pages.length] : [width, height];
  checkSize(size, channels, file);
  const stored = types[`${sampleFormat} ${bits}`];
  if (!stored || photometric !== 1 || channels > 1) {
    throw refuse(
      `holds ${channels} sample(s) of ${bits} bits per pixel (sample format ${sampleFormat}, photometric ` +
        `interpretation ${photometric}, planar configuration ${planar}), but one grey value was expected, with 0 ` +
        'for black. Convert it to grey slices.',
    );
  }
  const mixed = otherAxes(pages[0]);
  if (mixed) {
    throw refuse(
      `mixes slices with ${mixed}, but the slices of one volume were expected. Split it into one file for each ` +
        'volume.',
    );
  }
  for (const [i, page] of pages.entries()) {
    const fault = dataFault(page, bytes.length, dataBytes({ size: [width, height, 1], channels, stored }));
    if (fault) throw refuse(`is cut off or damaged: page ${i + 1} ${fault}. Copy or download it again.`);
  }
  return { size, channels, stored, notes: [noDirections(file, 'TIFF')] };
}

/**
 * A TIFF or LSM file as itk-wasm gets it: the slices alone, with the fields that say how to read their
 * pixels. itk-wasm takes a thumbnail after each slice for a slice of zeros, and fails at fields that are not
 * text.
 */
export function slicesOnly(bytes: Buffer): Buffer {
  const pages = readTiffPages(bytes);
  return typeof pages === 'string' ? bytes : withPages(bytes, pages.filter(isSlice), pixelFields);
}

function isSlice(page: TiffPage): boolean {
  return (number(page, tags.subfileType, 0) & copyOrMask) === 0;
}

function number(page: TiffPage, tag: number, otherwise: number): number {
  return page.get(tag)?.numbers[0] ?? otherwise;
}

/** The further axes, besides slices, that the description of a stack states. */
function otherAxes(page: TiffPage): string | undefined {
  const text = page.get(tags.description)?.text ?? '';
  const counts = [
    ...text.matchAll(/^(channels|frames)=(\d+)/gm),
    ...text.matchAll(/\b(SizeC|SizeT)="(\d+)"/g),
    ...lsmCounts(page.get(tags.lsm)?.bytes),
  ];
  const more = counts.find(([, , count]) => Number(count) > 1);
  return more && `${more[2]} ${/c/i.test(more[1]) ? 'channels' : 'time points'}`;
}

/** Channels and time points in the field of LSM files. A number, a length and the sizes precede them. */
function lsmCounts(field: Buffer | undefined): (readonly [string, string, string])[] {
  if (!field || field.length < 28) return [];
  return [
    ['', 'channels', String(field.readInt32LE(20))],
    ['', 'frames', String(field.readInt32LE(24))],
  ];
}

/** What is wrong with the place of a page's pixels, as a clause. */
function dataFault(page: TiffPage, fileBytes: number, pageBytes: number): string | undefined {
  const tiled = page.has(tags.tileOffsets);
  const offsets = page.get(tiled ? tags.tileOffsets : tags.stripOffsets)?.numbers ?? [];
  const counts = page.get(tiled ? tags.tileBytes : tags.stripBytes)?.numbers ?? [];
  if (offsets.length === 0 || offsets.length !== counts.length) {
    return `has ${offsets.length} offsets and ${counts.length} lengths of pixels`;
  }
  const outside = offsets.findIndex((offset, i) => offset + counts[i] > fileBytes);
  if (outside >= 0) {
    return `has pixels up to byte ${offsets[outside] + counts[outside]}, but the file has ${fileBytes}`;
  }
  const total = counts.reduce((sum, count) => sum + count, 0);
  const raw = (page.get(tags.compression)?.numbers[0] ?? 1) === 1;
  if (raw && !tiled && total !== pageBytes)
    return `has ${total} bytes of pixels, but ${pageBytes} are needed`;
  return undefined;
}
