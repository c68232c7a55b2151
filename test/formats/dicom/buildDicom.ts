import { deflateRawSync } from 'node:zlib';

/** Values of an element: texts and numbers are joined; data sets are the items of a sequence. */
export type Value = string | number | readonly number[] | Buffer | readonly DataSet[];

/** Elements by tag, `00080060`, with their value representation: `{ '00080060 CS': 'CT' }`. */
export type DataSet = { readonly [element: string]: Value | undefined };

export const syntaxes = {
  implicit: '1.2.840.10008.1.2',
  explicit: '1.2.840.10008.1.2.1',
  deflated: '1.2.840.10008.1.2.1.99',
  bigEndian: '1.2.840.10008.1.2.2',
  rle: '1.2.840.10008.1.2.5',
} as const;

const longLengths = new Set(['OB', 'OW', 'SQ', 'UN', 'UT']);

function encodeValue(vr: string, value: Value, big: boolean, implicit: boolean): Buffer {
  if (Buffer.isBuffer(value)) return value;
  const write = (
    numbers: readonly number[],
    bytes: number,
    put: (buffer: Buffer, n: number, at: number) => void,
  ) => {
    const buffer = Buffer.alloc(numbers.length * bytes);
    for (const [i, n] of numbers.entries()) put(buffer, n, i * bytes);
    return buffer;
  };
  const numbers = () => [value].flat() as number[];
  if (vr === 'US')
    return write(numbers(), 2, (buffer, n, at) =>
      big ? buffer.writeUInt16BE(n, at) : buffer.writeUInt16LE(n, at),
    );
  if (vr === 'UL')
    return write(numbers(), 4, (buffer, n, at) =>
      big ? buffer.writeUInt32BE(n, at) : buffer.writeUInt32LE(n, at),
    );
  if (vr === 'FD')
    return write(numbers(), 8, (buffer, n, at) =>
      big ? buffer.writeDoubleBE(n, at) : buffer.writeDoubleLE(n, at),
    );
  if (vr === 'SQ') {
    const items = (value as readonly DataSet[]).map((item) => {
      const content = encode(item, big, implicit);
      return Buffer.concat([tagBytes('fffee000', big), uint32(content.length, big), content]);
    });
    return Buffer.concat(items);
  }
  const text = Array.isArray(value) ? value.join('\\') : String(value);
  return Buffer.from(text.length % 2 === 0 ? text : `${text}${vr === 'UI' ? '\0' : ' '}`, 'latin1');
}

function tagBytes(tag: string, big: boolean): Buffer {
  const bytes = Buffer.from(tag, 'hex');
  return big ? bytes : bytes.swap16();
}

function uint32(value: number, big: boolean): Buffer {
  const bytes = Buffer.alloc(4);
  if (big) bytes.writeUInt32BE(value);
  else bytes.writeUInt32LE(value);
  return bytes;
}

/** A data set in ascending order of its tags. */
export function encode(set: DataSet, big = false, implicit = false): Buffer {
  const parts: Buffer[] = [];
  for (const [key, value] of Object.entries(set).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (value === undefined) continue;
    const [tag, vr] = key.split(' ');
    const content = encodeValue(vr, value, big, implicit);
    parts.push(tagBytes(tag, big));
    if (implicit) parts.push(uint32(content.length, big));
    else if (longLengths.has(vr)) parts.push(Buffer.from(`${vr}\0\0`), uint32(content.length, big));
    else {
      const length = Buffer.alloc(2);
      if (big) length.writeUInt16BE(content.length);
      else length.writeUInt16LE(content.length);
      parts.push(Buffer.from(vr), length);
    }
    parts.push(content);
  }
  return Buffer.concat(parts);
}

/** A DICOM file. `pixels` follows the data set as it is, for pixels in fragments. */
export function buildDicom(set: DataSet, syntax: string = syntaxes.explicit, fragments?: Buffer): Buffer {
  const meta = encode({ '00020010 UI': syntax });
  const group = encode({ '00020000 UL': meta.length });
  const big = syntax === syntaxes.bigEndian;
  const content = Buffer.concat([
    encode(set, big, syntax === syntaxes.implicit),
    ...(fragments
      ? [Buffer.from([0xe0, 0x7f, 0x10, 0, 0x4f, 0x42, 0, 0, 255, 255, 255, 255]), fragments]
      : []),
  ]);
  const body = syntax === syntaxes.deflated ? deflateRawSync(content) : content;
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), group, meta, body]);
}

/** Items with an empty offset table before and a delimiter behind, as compressed frames lie in a file. */
export function fragmentsOf(...frames: readonly Buffer[]): Buffer {
  const items = [Buffer.alloc(0), ...frames].map((frame) => {
    const padded = frame.length % 2 === 0 ? frame : Buffer.concat([frame, Buffer.alloc(1)]);
    return Buffer.concat([tagBytes('fffee000', false), uint32(padded.length, false), padded]);
  });
  return Buffer.concat([...items, tagBytes('fffee0dd', false), uint32(0, false)]);
}

export const rows = 3;
export const columns = 4;

/** The stored number of a voxel of the test series: 1000 z + 10 y + x. */
export const storedAt = (x: number, y: number, z: number) => 1000 * z + 10 * y + x;

/** The pixels of slice `z`, 16 bits each. */
export function pixelsOf(z: number, big = false): Buffer {
  const bytes = Buffer.alloc(2 * rows * columns);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const at = 2 * (y * columns + x);
      if (big) bytes.writeInt16BE(storedAt(x, y, z), at);
      else bytes.writeInt16LE(storedAt(x, y, z), at);
    }
  }
  return bytes;
}

/** Slice `z` of a CT series of 2.5 mm slices, 0.5 mm between columns and 0.75 mm between rows. */
export function sliceSet(z: number, changes: DataSet = {}): DataSet {
  return {
    '00080008 CS': 'ORIGINAL\\PRIMARY\\AXIAL',
    '00080016 UI': '1.2.840.10008.5.1.4.1.1.2',
    '00080018 UI': `1.2.3.4.${z + 1}`,
    '00080060 CS': 'CT',
    '00100010 PN': 'Doe^Jane',
    '00100020 LO': 'SECRET-7',
    '00180050 DS': 2.5,
    '0020000d UI': '1.2.3',
    '0020000e UI': '1.2.3.4',
    '00200011 IS': 3,
    '00200013 IS': z + 1,
    '00200032 DS': [10, 20, 30 + 2.5 * z],
    '00200037 DS': [1, 0, 0, 0, 1, 0],
    '00200052 UI': '1.2.3.9',
    '00280002 US': 1,
    '00280004 CS': 'MONOCHROME2',
    '00280010 US': rows,
    '00280011 US': columns,
    '00280030 DS': [0.75, 0.5],
    '00280100 US': 16,
    '00280101 US': 16,
    '00280102 US': 15,
    '00280103 US': 1,
    '00281052 DS': -24,
    '00281053 DS': 1,
    '7fe00010 OW': pixelsOf(z),
    ...changes,
  };
}

/** PackBits in literal runs, each byte of a pixel a segment of its own, as RLE Lossless has it. */
export function rleFrame(pixels: Buffer): Buffer {
  const segments = [1, 0].map((byte) => {
    const values = pixels.filter((_, i) => i % 2 === byte);
    const packed = Buffer.concat([Buffer.from([values.length - 1]), values]);
    return packed.length % 2 === 0 ? packed : Buffer.concat([packed, Buffer.alloc(1)]);
  });
  const header = Buffer.alloc(64);
  header.writeUInt32LE(2, 0);
  header.writeUInt32LE(64, 4);
  header.writeUInt32LE(64 + segments[0].length, 8);
  return Buffer.concat([header, ...segments]);
}
