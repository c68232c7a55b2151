import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readNpz, writeNpz } from '#src/formats/npz.js';
import { pickle } from '#src/formats/writePickle.js';
import { ZipArchive } from '#src/formats/zip.js';
import { allocate } from '#src/volume/volume.js';
import { temporaryFolder } from '../e2e/harness.js';
import { buildZip } from '../onnx/checkpoint/buildCheckpoint.js';
import { fails } from './buildNifti.js';

const place = temporaryFolder();

test('an array that was written is read again, also from shared memory and in several pieces', async () => {
  const file = join(place, 'a.npz');
  const data = allocate('float32', 3 * 700_001);
  for (let i = 0; i < data.length; i++) data[i] = Math.sin(i);
  await writeNpz(file, 'probabilities', { shape: [3, 700_001], data });
  const read = await readNpz(file, 'probabilities');
  assert.equal(read.shape, [3, 700_001]);
  assert.is(Buffer.compare(Buffer.from(read.data.buffer), Buffer.from(new Uint8Array(data.buffer))), 0);
});

/** A .npz file with one array, as numpy writes it. */
function npz(name: string, header: string, bytes: number): string {
  const file = join(place, name);
  const text = Buffer.from(`\x93NUMPY\x01\0\0\0${header}\n`, 'latin1');
  text.writeUInt16LE(header.length + 1, 8);
  const data = Buffer.concat([text, Buffer.alloc(bytes)]);
  writeFileSync(file, buildZip([{ name: 'probabilities.npy', data, deflated: true }]));
  return file;
}

test('arrays of other types, orders and lengths are refused, and files that are none', async () => {
  const header = (descr: string, order = 'False', shape = '(2, 3)') =>
    `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`;
  const read = await readNpz(npz('sound.npz', header('<f4'), 24), 'probabilities');
  assert.equal([read.shape, read.data], [[2, 3], new Float32Array(6)]);
  const cases: [string, RegExp][] = [
    [
      npz('double.npz', header('<f8'), 48),
      /double\.npz cannot be read: its array "probabilities" has the header .*<f8/,
    ],
    [npz('order.npz', header('<f4', 'True'), 24), /but float32 \('<f4'\) in C order was expected/],
    [npz('object.npz', header('|O'), 24), /has the header .*\|O/],
    [npz('short.npz', header('<f4'), 20), /has 20 bytes for the shape \(2, 3\)/],
    [npz('huge.npz', header('<f4', 'False', '(999999999999, 3)'), 24), /has 24 bytes for the shape/],
  ];
  writeFileSync(join(place, 'none.npz'), 'no zip');
  cases.push([join(place, 'none.npz'), /none\.npz cannot be read: .*directory/]);
  cases.push([join(place, 'missing.npz'), /missing\.npz cannot be read: there is no such file/]);
  writeFileSync(join(place, 'other.npz'), buildZip([{ name: 'x.npy', data: Buffer.from('x') }]));
  cases.push([join(place, 'other.npz'), /has no member "probabilities\.npy"/]);
  for (const [file, expected] of cases) await fails(readNpz(file, 'probabilities'), expected);
});

test('an archive that was written has one member, whose name and checksum are right', async () => {
  const file = join(place, 'b.npz');
  await writeNpz(file, 'x', { shape: [1], data: Float32Array.of(2) });
  const zip = new ZipArchive(readFileSync(file));
  assert.equal(zip.names, ['x.npy']);
  const bytes = zip.read('x.npy', 1000);
  assert.is(bytes.length % 64, 4);
  assert.is(Buffer.from(bytes).readFloatLE(bytes.length - 4), 2);
});

test('a pickle is what Python makes of the same values', () => {
  const value = new Map([
    ['spacing', [1.5, { int: 2 }]],
    ['shape', { tuple: [{ int: -1 }, 'é'] }],
  ] as const);
  // pickle.loads of these bytes gives {'spacing': [1.5, 2], 'shape': (-1, 'é')}.
  const expected = [
    ...['8002', '7d28'],
    ...[
      '5807000000',
      Buffer.from('spacing').toString('hex'),
      '5d28',
      '473ff8000000000000',
      '4a02000000',
      '65',
    ],
    ...['5805000000', Buffer.from('shape').toString('hex'), '28', '4affffffff', '5802000000c3a9', '74'],
    ...['75', '2e'],
  ];
  assert.is(pickle(value).toString('hex'), expected.join(''));
});

test.run();
