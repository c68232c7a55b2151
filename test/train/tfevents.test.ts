import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32c, EventWriter } from '#src/train/tfevents.js';

const folder = mkdtempSync(join(tmpdir(), 'voxstream-events-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

test('crc32c gives the numbers of RFC 3720', () => {
  // Its appendix B.4: 32 bytes of zeros, of ones, and counting up and down; and the usual check value.
  assert.is(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.is(crc32c(new Uint8Array(32).fill(255)), 0x62a8ab43);
  assert.is(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  assert.is(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c);
  assert.is(crc32c(Buffer.from('123456789')), 0xe3069283);
});

/** CRC-32C bit by bit, and TensorFlow's mask, written again from their definitions. */
function maskedCrc(bytes: Uint8Array): number {
  let crc = 0xffffffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x82f63b78n : crc >> 1n;
  }
  crc ^= 0xffffffffn;
  return Number((((crc >> 15n) | (crc << 17n)) + 0xa282ead8n) & 0xffffffffn);
}

/** The records of a file, lengths and checksums checked. */
function records(file: string): Buffer[] {
  const bytes = readFileSync(file);
  const found: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = Number(bytes.readBigUInt64LE(at));
    assert.is(bytes.readUInt32LE(at + 8), maskedCrc(bytes.subarray(at, at + 8)));
    const content = bytes.subarray(at + 12, at + 12 + length);
    assert.is(bytes.readUInt32LE(at + 12 + length), maskedCrc(content));
    found.push(content);
    at += 16 + length;
  }
  assert.is(at, bytes.length);
  return found;
}

/** The fields of a Protocol Buffers message: number and value, bytes where it is longer than a number. */
function fields(message: Buffer): [number, number | Buffer][] {
  const found: [number, number | Buffer][] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message[at++];
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    if (tag % 8 === 0) found.push([field, varint()]);
    else if (tag % 8 === 1) {
      found.push([field, message.readDoubleLE(at)]);
      at += 8;
    } else if (tag % 8 === 5) {
      found.push([field, message.readFloatLE(at)]);
      at += 4;
    } else {
      assert.is(tag % 8, 2);
      const length = varint();
      found.push([field, message.subarray(at, at + length)]);
      at += length;
    }
  }
  return found;
}

const fieldOf = (message: Buffer, field: number) =>
  fields(message)
    .filter(([n]) => n === field)
    .map(([, value]) => value);

test('an events file holds its version, and scalars by step, as TensorBoard reads them', async () => {
  const file = join(folder, 'events.out.tfevents.1');
  const writer = new EventWriter(file, 0, 1_500);
  writer.add(1, { 'step/loss': 0.5, 'step/learning_rate': 0.002 }, 2_500);
  await writer.flush();
  writer.add(300_000, { 'step/loss': 0.25 }, 3_000);
  await writer.flush();
  await writer.flush();
  const [head, first, second, ...rest] = records(file);
  assert.is(rest.length, 0);
  assert.equal(fieldOf(head, 1), [1.5]);
  assert.is(String(fieldOf(head, 3)[0]), 'brain.Event:2');
  assert.equal([fieldOf(first, 1), fieldOf(first, 2)], [[2.5], [1]]);
  const values = fieldOf(fieldOf(first, 5)[0] as Buffer, 1).map((value) => {
    const [[, tag], [, number]] = fields(value as Buffer);
    return [String(tag), number];
  });
  assert.equal(values, [
    ['step/loss', 0.5],
    ['step/learning_rate', Math.fround(0.002)],
  ]);
  assert.equal(fieldOf(second, 2), [300_000]);
});

test('a training that goes on says from which step, so that what was after it no longer counts', async () => {
  const file = join(folder, 'events.out.tfevents.2');
  await new EventWriter(file, 7, 1_000).flush();
  const [, restart] = records(file);
  assert.equal(fieldOf(restart, 2), [7]);
  // SessionLog.START
  assert.equal(fields(fieldOf(restart, 7)[0] as Buffer), [[1, 1]]);
});

test.run();
