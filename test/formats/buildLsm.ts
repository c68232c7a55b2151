/** A field of a TIFF directory: tag, type (3 SHORT, 4 LONG, 7 UNDEFINED), and a value or several. */
type Entry = readonly [tag: number, type: number, value: number | Buffer];

/**
 * A Zeiss LSM file: a little-endian TIFF whose first page has the field 34412, and where an RGB thumbnail
 * follows each slice. Voxels of 8 bits count up from 0.
 *
 * Source: the description of LSM 5 files by Carl Zeiss, for `CZ_LSMINFO`; TIFF 6.0.
 */
export function buildLsm([nx, ny, nz]: readonly [number, number, number], channels = 1, times = 1): Buffer {
  const parts: Buffer[] = [Buffer.from('II*\0\0\0\0\0', 'latin1')];
  let end = 8;
  const add = (part: Buffer): number => {
    parts.push(part);
    end += part.length;
    return end - part.length;
  };
  const longs = (...values: number[]) => Buffer.from(Uint32Array.from(values).buffer);
  const info = Buffer.alloc(512);
  longs(0x0400494c, 512, nx, ny, nz, channels, times).copy(info);
  for (const [i, metres] of [5e-7, 2e-6, 3e-6].entries()) info.writeDoubleLE(metres, 40 + 8 * i);
  const count = nx * ny;
  const slice = (k: number): Entry[] => [
    [254, 4, 0],
    [256, 4, nx],
    [257, 4, ny],
    [258, 3, 8],
    [259, 3, 1],
    [262, 3, 1],
    [273, 4, add(Buffer.from(Array.from({ length: count }, (_, i) => k * count + i)))],
    [277, 3, 1],
    [279, 4, count],
    ...(k === 0 ? [[34412, 7, info] as const] : []),
  ];
  const thumbnail = (): Entry[] => {
    const planes = [0, 1, 2].map(() => add(Buffer.alloc(64, 200)));
    return [
      [254, 4, 1],
      [256, 4, 8],
      [257, 4, 8],
      [258, 3, Buffer.from(Uint16Array.of(8, 8, 8).buffer)],
      [259, 3, 1],
      [262, 3, 2],
      [273, 4, longs(...planes)],
      [277, 3, 3],
      [279, 4, longs(64, 64, 64)],
      [284, 3, 2],
    ];
  };
  const pages = Array.from({ length: nz }, (_, k) => [slice(k), thumbnail()]).flat();
  let link = { buffer: parts[0], at: 4 };
  for (const entries of pages) {
    const directory = Buffer.alloc(2 + 12 * entries.length + 4);
    directory.writeUInt16LE(entries.length, 0);
    for (const [i, [tag, type, value]] of entries.entries()) {
      const at = 2 + 12 * i;
      const bytes = type === 3 ? 2 : type === 4 ? 4 : 1;
      directory.writeUInt16LE(tag, at);
      directory.writeUInt16LE(type, at + 2);
      directory.writeUInt32LE(typeof value === 'number' ? 1 : value.length / bytes, at + 4);
      directory.writeUInt32LE(typeof value === 'number' ? value : add(value), at + 8);
    }
    link.buffer.writeUInt32LE(add(directory), link.at);
    link = { buffer: directory, at: directory.length - 4 };
  }
  return Buffer.concat(parts);
}
