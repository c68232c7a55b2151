import { inflateSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeGreyPng } from '#src/report/png.js';

test('a picture of one grey pixel is the PNG that the specification gives', () => {
  const png = encodeGreyPng(Uint8Array.of(128), 1, 1);
  assert.is(png.subarray(0, 8).toString('hex'), '89504e470d0a1a0a');
  // Length 13, IHDR, 1 x 1, 8 bits, grey, and the checksum that zlib's crc32 gives for it.
  assert.is(png.subarray(8, 33).toString('hex'), '0000000d49484452000000010000000108000000003a7e9b55');
  assert.is(png.subarray(-12).toString('hex'), '0000000049454e44ae426082');
});

test('rows are stored as what the Paeth predictor leaves', () => {
  const pixels = Uint8Array.of(10, 20, 30, 11, 25, 29);
  const png = encodeGreyPng(pixels, 3, 2);
  const length = png.readUInt32BE(33);
  assert.is(png.subarray(37, 41).toString(), 'IDAT');
  const rows = [...inflateSync(png.subarray(41, 41 + length))];
  // Above the first row is 0, so the left pixel is the guess; in the second row it is 10 (up), 20 (up) and 30
  // (up).
  assert.equal(rows, [4, 10, 10, 10, 4, 1, 5, 255]);
});

test.run();
