import { DataError, show } from '../errors.js';
import { toRas } from '../volume/affine.js';
import { checkAffine, checkSize } from './checks.js';
import type { StoredType } from './layout.js';
import { type RasterHeader, rasterFormat } from './raster.js';
import { besideHeader, readTextHeader } from './textHeader.js';
import { unitInMm } from './units.js';

/** MetaImage, in one file (`.mha`) or with its voxels in a file beside it (`.mhd`). */
export const metaImage = rasterFormat({
  name: 'MetaImage',
  extensions: ['.mha', '.mhd'],
  matches: (start) => /^\s*(ObjectType|NDims|Comment)[ \t]*=/i.test(Buffer.from(start).toString('latin1')),
  readHeader: (file) => readTextHeader(file, parseMetaImage),
});

/** MetaImage's names for the types that can be read; LONG has 4 bytes on every machine. */
const elementTypes: Readonly<Record<string, StoredType>> = {
  MET_CHAR: 'int8',
  MET_UCHAR: 'uint8',
  MET_SHORT: 'int16',
  MET_USHORT: 'uint16',
  MET_INT: 'int32',
  MET_UINT: 'uint32',
  MET_LONG: 'int32',
  MET_ULONG: 'uint32',
  MET_LONG_LONG: 'int64',
  MET_ULONG_LONG: 'uint64',
  MET_FLOAT: 'float32',
  MET_DOUBLE: 'float64',
};

/**
 * Reads a MetaImage header: three axes, and for channels a fourth axis, or elements of several numbers.
 * `bytes` holds the beginning of the file.
 *
 * `TransformMatrix` lists the direction of one axis after the other, `Offset` is the position of the first
 * voxel, both in LPS. An intensity slope in the header is ignored. All of this is as in ITK.
 *
 * @throws DataError if the header is damaged, or does not describe such a volume.
 */
function parseMetaImage(bytes: Buffer, file: string): RasterHeader {
  const refuse = (sentence: string) => new DataError(`${file} ${sentence}`);
  const text = bytes.toString('latin1');
  const last = /^ElementDataFile[ \t]*=[^\n]*\n?/im.exec(text);
  if (!/^\s*\w+[ \t]*=/.test(text)) {
    throw refuse(
      'is not a MetaImage file: it does not begin with "ObjectType = Image". Check that it is the right ' +
        'file.',
    );
  }
  if (!last) {
    throw refuse('has no "ElementDataFile" at the end of its MetaImage header. Copy or download it again.');
  }
  const headerBytes = last.index + last[0].length;
  const fields = new Map<string, string>();
  for (const line of bytes.toString('utf8', 0, headerBytes).split(/\r?\n/)) {
    const at = line.indexOf('=');
    if (at > 0) fields.set(line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim());
  }
  const field = (...names: string[]) =>
    names.map((name) => fields.get(name.toLowerCase())).find((value) => value !== undefined);
  const list = (...names: string[]) =>
    field(...names)
      ?.split(/\s+/)
      .map(Number);
  const isTrue = (...names: string[]) => /^(true|t|yes|y|1)$/i.test(field(...names) ?? '');

  const sizes = list('DimSize') ?? [];
  const rank = Number(field('NDims') ?? sizes.length);
  if (sizes.length !== rank || rank > 4) {
    throw refuse(
      `has NDims ${show(field('NDims'))} and DimSize ${show(field('DimSize'))}, but 3 sizes (or 4, ` +
        'channels last) were expected. Correct its header.',
    );
  }
  const size = sizes.slice(0, 3);
  const elementChannels = Number(field('ElementNumberOfChannels') ?? 1);
  const channels = elementChannels * (sizes[3] ?? 1);
  checkSize(size, channels, file);
  if (elementChannels > 1 && sizes[3] > 1) {
    throw refuse(
      `is 4D (${sizes.join(' x ')}) and has ${elementChannels} channels. Split it into 3D images.`,
    );
  }

  const spacing = list('ElementSpacing', 'ElementSize') ?? sizes.map(() => 1);
  const offset = list('Offset', 'Position', 'Origin') ?? sizes.map(() => 0);
  const matrix =
    list('TransformMatrix', 'Rotation', 'Orientation') ??
    sizes.flatMap((_, i) => sizes.map((_, k) => +(i === k)));
  if (spacing.length !== rank || offset.length !== rank || matrix.length !== rank * rank) {
    throw refuse(
      `has ${spacing.length} numbers in ElementSpacing, ${offset.length} in Offset and ${matrix.length} in ` +
        `TransformMatrix, but ${rank}, ${rank} and ${rank * rank} were expected. Correct its header.`,
    );
  }
  const unit = unitInMm(field('DistanceUnits') ?? '', file, 'DistanceUnits');
  const rows = [0, 1, 2].flatMap((row) => [
    ...[0, 1, 2].map((axis) => unit.mm * matrix[axis * rank + row] * spacing[axis]),
    unit.mm * offset[row],
  ]);
  const affine = toRas([...rows, 0, 0, 0, 1], 'LPS');
  checkAffine(affine, 'TransformMatrix, ElementSpacing and Offset', file);

  const type = field('ElementType') ?? '';
  const stored = elementTypes[type.toUpperCase().replace(/_ARRAY$/, '')];
  if (!stored) {
    throw refuse(
      `holds voxels of ElementType ${show(type)}, but whole or real numbers were expected. Convert it.`,
    );
  }
  if (field('BinaryData') !== undefined && !isTrue('BinaryData')) {
    throw refuse('holds its voxels as text (BinaryData = False), but binary data were expected. Convert it.');
  }
  const compressed = isTrue('CompressedData');
  const skip = Number(field('HeaderSize') ?? 0);
  if (!Number.isSafeInteger(skip) || skip < (compressed ? 0 : -1)) {
    throw refuse(
      `has HeaderSize ${show(field('HeaderSize'))}, but a whole number, or -1 for raw data, was expected. ` +
        `Correct its header.`,
    );
  }
  const dataFile = field('ElementDataFile') as string;
  const local = /^local$/i.test(dataFile);
  return {
    size,
    channels,
    interleaved: elementChannels > 1,
    stored,
    littleEndian: !isTrue('ElementByteOrderMSB', 'BinaryDataByteOrderMSB'),
    offset: Math.max(0, skip),
    affine,
    dataFile: local ? undefined : besideHeader(dataFile, file),
    start: local ? headerBytes : 0,
    atEnd: skip === -1,
    compressed,
    notes: unit.notes,
  };
}
