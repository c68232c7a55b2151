import type { PixelLayout } from './header.js';

/** Value representations with a length of four bytes. */
const long = /^O[BW]$/;

function element(group: number, number: number, vr: string, value: Buffer | string): Buffer {
  const padding = vr === 'UI' ? '\0' : ' ';
  const content = Buffer.isBuffer(value)
    ? value
    : Buffer.from(value.length % 2 === 0 ? value : value + padding);
  const head = Buffer.alloc(long.test(vr) ? 12 : 8);
  head.writeUInt16LE(group, 0);
  head.writeUInt16LE(number, 2);
  head.write(vr, 4);
  if (long.test(vr)) head.writeUInt32LE(content.length, 8);
  else head.writeUInt16LE(content.length, 6);
  return Buffer.concat([head, content]);
}

function short(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function item(tag: number, content: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16LE(0xfffe, 0);
  head.writeUInt16LE(tag, 2);
  head.writeUInt32LE(content.length + (content.length % 2), 4);
  return Buffer.concat([head, content, Buffer.alloc(content.length % 2)]);
}

/**
 * A DICOM file with one compressed frame and nothing that a decoder does not need: no patient, no scaling,
 * and a position that is its place among the frames.
 */
export function minimalFile(
  frame: Buffer,
  place: number,
  layout: PixelLayout,
  transferSyntax: string,
): Buffer {
  const meta = element(2, 0x10, 'UI', transferSyntax);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(meta.length);
  const pixels = element(0x7fe0, 0x10, 'OB', Buffer.alloc(0));
  pixels.writeUInt32LE(0xffffffff, 8);
  return Buffer.concat([
    Buffer.alloc(128),
    Buffer.from('DICM'),
    element(2, 0, 'UL', length),
    meta,
    element(8, 0x16, 'UI', '1.2.840.10008.5.1.4.1.1.2'),
    element(8, 0x18, 'UI', `1.2.${place + 1}`),
    element(8, 0x60, 'CS', 'CT'),
    element(0x20, 0xd, 'UI', '1.2'),
    element(0x20, 0xe, 'UI', '1.2'),
    element(0x20, 0x32, 'DS', `0\\0\\${place}`),
    element(0x20, 0x37, 'DS', '1\\0\\0\\0\\1\\0'),
    element(0x28, 2, 'US', short(1)),
    element(0x28, 4, 'CS', 'MONOCHROME2'),
    element(0x28, 0x10, 'US', short(layout.rows)),
    element(0x28, 0x11, 'US', short(layout.columns)),
    element(0x28, 0x30, 'DS', '1\\1'),
    element(0x28, 0x100, 'US', short(layout.bitsAllocated)),
    element(0x28, 0x101, 'US', short(layout.bitsStored)),
    element(0x28, 0x102, 'US', short(layout.highBit)),
    element(0x28, 0x103, 'US', short(layout.signed ? 1 : 0)),
    pixels,
    item(0xe000, Buffer.alloc(0)),
    item(0xe000, frame),
    item(0xe0dd, Buffer.alloc(0)),
  ]);
}
