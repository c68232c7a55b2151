import { DataError, show } from '../errors.js';
import { toRas } from '../volume/affine.js';
import type { Affine } from '../volume/volume.js';
import { checkAffine, checkSize } from './checks.js';
import type { StoredType } from './layout.js';
import { type RasterHeader, rasterFormat } from './raster.js';
import { readSegments } from './segments.js';
import { besideHeader, readTextHeader } from './textHeader.js';
import { unitInMm } from './units.js';

/** NRRD, in one file or with its voxels in a file beside it. */
export const nrrd = rasterFormat({
  name: 'NRRD',
  extensions: ['.seg.nrrd', '.nrrd', '.nhdr'],
  matches: (start) => Buffer.from(start.subarray(0, 4)).toString('latin1') === 'NRRD',
  readHeader: (file) => readTextHeader(file, parseNrrd),
});

/** NRRD's names for the types that can be read. Source: the format's definition, "type". */
const typeNames: Readonly<Record<StoredType, readonly string[]>> = {
  int8: ['signed char', 'int8', 'int8_t'],
  uint8: ['uchar', 'unsigned char', 'uint8', 'uint8_t'],
  int16: ['short', 'short int', 'signed short', 'signed short int', 'int16', 'int16_t'],
  uint16: ['ushort', 'unsigned short', 'unsigned short int', 'uint16', 'uint16_t'],
  int32: ['int', 'signed int', 'int32', 'int32_t'],
  uint32: ['uint', 'unsigned int', 'uint32', 'uint32_t'],
  int64: [
    'longlong',
    'long long',
    'long long int',
    'signed long long',
    'signed long long int',
    'int64',
    'int64_t',
  ],
  uint64: ['ulonglong', 'unsigned long long', 'unsigned long long int', 'uint64', 'uint64_t'],
  float32: ['float'],
  float64: ['double'],
};

/**
 * The spaces that say which way the patient lies. Without one the axes count as LPS, as in ITK and MONAI. For
 * left-anterior-superior ITK reverses x, although y is the axis that differs from LPS; here y is reversed.
 */
const spaces: Readonly<Record<string, 'RAS' | 'LAS' | 'LPS'>> = {
  'right-anterior-superior': 'RAS',
  ras: 'RAS',
  'left-anterior-superior': 'LAS',
  las: 'LAS',
  'left-posterior-superior': 'LPS',
  lps: 'LPS',
};

/**
 * Reads an NRRD header: three spatial axes, and at most one more for channels, which is the first (side by
 * side) or the last. `bytes` holds the beginning of the file.
 *
 * Axes are spatial unless `space directions` has "none" for them or, if there are no directions, `kinds` says
 * otherwise. Without directions, x runs to the left and y to the back with the distances in `spacings`, as in
 * ITK.
 *
 * @throws DataError if the header is damaged, or does not describe such a volume in raw or gzip encoding.
 */
function parseNrrd(bytes: Buffer, file: string): RasterHeader {
  const refuse = (sentence: string) => new DataError(`${file} ${sentence}`);
  const text = bytes.toString('latin1');
  const end = /\r?\n\r?\n/.exec(text);
  const headerBytes = end ? end.index + end[0].length : text.length;
  const { fields, pairs } = readFields(bytes.toString('utf8', 0, headerBytes));
  const field = (...names: string[]) =>
    names.map((name) => fields.get(name)).find((value) => value !== undefined);
  const needed = (name: string) => {
    const value = field(name);
    if (value === undefined) throw refuse(`has no "${name}" in its NRRD header. Copy or download it again.`);
    return value;
  };

  const dataFile = field('data file', 'datafile');
  if (!end && !dataFile)
    throw refuse(
      'is cut off: the blank line that ends an NRRD header is missing. Copy or download it again.',
    );
  const sizes = numbers(needed('sizes'));
  checkSize(sizes.slice(0, 3), sizes[3] ?? 1, file);
  const dimension = field('dimension');
  if (dimension !== undefined && Number(dimension) !== sizes.length) {
    throw refuse(`has the dimension ${show(dimension)}, but ${sizes.length} sizes. Correct its header.`);
  }
  const { affine, spatial, notes } = readAxes(sizes.length, field, file);
  const rest = sizes.map((_, axis) => axis).filter((axis) => !spatial.includes(axis));
  const size = spatial.map((axis) => sizes[axis]);
  if (size.length > 3 || rest.length > 1 || (rest.length === 1 && rest[0] !== 0 && rest[0] !== 3)) {
    throw refuse(
      `is ${sizes.length}D (${sizes.join(' x ')}), but a 3D image, or a 4D one whose first or last axis is ` +
        'for channels (space direction "none"), was expected. Split it into 3D images.',
    );
  }
  const channels = rest.length === 1 ? sizes[rest[0]] : 1;
  checkSize(size, channels, file);
  checkAffine(affine, 'space directions', file);

  const type = needed('type').toLowerCase();
  const stored = (Object.keys(typeNames) as StoredType[]).find((name) => typeNames[name].includes(type));
  if (!stored)
    throw refuse(`holds voxels of type ${show(type)}, but whole or real numbers were expected. Convert it.`);
  const encoding = needed('encoding').toLowerCase();
  const compressed = encoding === 'gzip' || encoding === 'gz';
  if (!compressed && encoding !== 'raw') {
    throw refuse(`has the encoding ${show(encoding)}, but raw or gzip was expected. Convert it.`);
  }
  const skipLines = Number(field('line skip', 'lineskip') ?? 0);
  if (!Number.isSafeInteger(skipLines) || skipLines < 0) {
    throw refuse(
      `has ${show(field('line skip', 'lineskip'))} as "line skip"; a whole number, 0 or more, was ` +
        `expected. Correct its header.`,
    );
  }
  const skip = Number(field('byte skip', 'byteskip') ?? 0);
  if (!Number.isSafeInteger(skip) || skip < -1) {
    throw refuse(
      `has ${show(field('byte skip', 'byteskip'))} as "byte skip"; a whole number, or -1 for the end of ` +
        'the data, was expected. Correct its header.',
    );
  }
  return {
    size,
    channels,
    interleaved: rest[0] === 0,
    stored,
    littleEndian: field('endian')?.toLowerCase() !== 'big',
    offset: Math.max(0, skip),
    affine,
    ...(dataFile !== undefined && { dataFile: besideHeader(dataFile, file) }),
    start: dataFile === undefined ? headerBytes : 0,
    skipLines,
    atEnd: skip === -1,
    compressed,
    notes,
    segments: readSegments(pairs),
  };
}

/** The fields of a header by name in lower case, and its `key:=value` pairs. Comments are ignored. */
function readFields(text: string): { fields: Map<string, string>; pairs: Map<string, string> } {
  const fields = new Map<string, string>();
  const pairs = new Map<string, string>();
  for (const line of text.split(/\r?\n/).slice(1)) {
    const [, key, value] = /^([^#:][^:]*):(?!=)\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined) fields.set(key.trim().toLowerCase(), value);
    const [, name, content] = /^([^#:][^:]*):=(.*)$/.exec(line) ?? [];
    if (name !== undefined) pairs.set(name, content);
  }
  return { fields, pairs };
}

function numbers(text: string): number[] {
  return text
    .trim()
    .split(/[\s,]+/)
    .map(Number);
}

/** Which axes are spatial, and the affine of these and the origin. */
function readAxes(
  dimension: number,
  field: (...names: string[]) => string | undefined,
  file: string,
): { affine: Affine; spatial: number[]; notes: readonly string[] } {
  const all = Array.from({ length: dimension }, (_, axis) => axis);
  const given = field('space directions')?.match(/none|\([^)]*\)/gi);
  const vectors = given?.map((text) => (text.startsWith('(') ? numbers(text.slice(1, -1)) : undefined));
  const kinds = field('kinds')?.split(/\s+/);
  const spatial = all.filter((axis) =>
    vectors ? vectors[axis] : !kinds || ['domain', 'space', '???', 'none'].includes(kinds[axis]),
  );
  const spacings = numbers(field('spacings') ?? '');
  const texts = (name: string) => [...(field(name) ?? '').matchAll(/"([^"]*)"/g)].map(([, text]) => text);
  const units = (name: string) => texts(name).map((text) => unitInMm(text, file, name));
  // "units" is for spacings, one for each axis; "space units" is for the space, one for each of its
  // directions.
  const axisUnits = units('units');
  const spaceUnits = units('space units');
  const columns = spatial.slice(0, 3).map((axis, i) => {
    const straight = (spacings[axis] || 1) * (axisUnits[axis]?.mm ?? 1);
    return vectors
      ? vectors[axis]?.map((value, row) => value * (spaceUnits[row]?.mm ?? 1))
      : [0, 1, 2].map((row) => (row === i ? straight : 0));
  });
  const origin = numbers(field('space origin')?.replace(/[()]/g, '') ?? '0 0 0');
  if ([...columns, origin].some((vector) => vector?.length !== 3)) {
    throw new DataError(
      `${file} has space directions ${show(field('space directions'))} and space origin ` +
        `${show(field('space origin'))}, but vectors of three numbers were expected. Correct its header.`,
    );
  }
  const rows = [0, 1, 2].flatMap((row) => [
    ...[0, 1, 2].map((axis) => columns[axis]?.[row] ?? 0),
    origin[row] * (spaceUnits[row]?.mm ?? 1),
  ]);
  const space = spaces[field('space')?.toLowerCase() ?? ''] ?? 'LPS';
  const notes = [...new Set([...(vectors ? [] : axisUnits), ...spaceUnits].flatMap((unit) => unit.notes))];
  return { affine: toRas([...rows, 0, 0, 0, 1], space), spatial, notes };
}
