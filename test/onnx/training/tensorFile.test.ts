import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { floats, int64s, type Tensor } from '#src/onnx/tensor.js';
import { readTensors, writeTensors } from '#src/onnx/training/tensorFile.js';
import { temporaryFolder } from '../../e2e/harness.js';

const tensors = new Map<string, Tensor>([
  ['weight', floats([2, 3], [1, -0, Number.NaN, 1e-45, 0.1, Number.NEGATIVE_INFINITY])],
  ['step', floats([], [7])],
  ['counts', int64s([1, -2])],
  ['nothing', floats([0], [])],
]);
const bits = ({ type, dims, data }: Tensor) => [
  type,
  dims,
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'),
];

test('tensors come back to the bit, with their texts', async () => {
  const file = join(temporaryFolder(), 'deep/state.safetensors');
  await writeTensors(file, { tensors, metadata: { epoch: '3', náme: '"x"' } });
  const found = await readTensors(file);
  assert.equal([...found.tensors.keys()], [...tensors.keys()]);
  for (const [name, value] of tensors) assert.equal(bits(found.tensors.get(name)!), bits(value), name);
  assert.equal(found.metadata, { epoch: '3', náme: '"x"' });
});

test('the numbers begin where safetensors readers expect them', async () => {
  const file = join(temporaryFolder(), 'state.safetensors');
  await writeTensors(file, { tensors: new Map([['a', floats([2], [1, 2])]]), metadata: {} });
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  assert.is((8 + length) % 8, 0);
  const { a } = JSON.parse(bytes.toString('utf8', 8, 8 + length));
  assert.equal(a, { dtype: 'F32', shape: [2], data_offsets: [0, 8] });
  assert.is(bytes.readFloatLE(8 + length + 4), 2);
});

test('a damaged file is refused by name, and says how', async () => {
  const file = join(temporaryFolder(), 'state.safetensors');
  const refused = async (change: (bytes: Buffer) => void, message: RegExp) => {
    await writeTensors(file, { tensors, metadata: {} });
    const bytes = readFileSync(file);
    change(bytes);
    writeFileSync(file, bytes);
    await readTensors(file).then(
      () => assert.unreachable(`read in spite of ${message}`),
      (error) => {
        assert.match(error.message, message);
        assert.ok(error.message.includes(file));
      },
    );
  };
  await refused(
    (bytes) => bytes.writeUInt8(bytes[bytes.length - 1] ^ 1, bytes.length - 1),
    /its content does not match its checksum/,
  );
  await refused((bytes) => bytes.writeUInt8(0x7b ^ 1, 8), /header is not JSON/);
  await refused(
    (bytes) => bytes.writeBigUInt64LE(1n << 60n, 0),
    /its header should have 11529215046068\d+ bytes/,
  );
  await refused((bytes) => {
    const at = bytes.indexOf('[2,3]');
    bytes.write('[9,9]', at);
  }, /weight of \[9, 9\] has 24 bytes/);
  await writeTensors(file, { tensors, metadata: {} });
  truncateSync(file, readFileSync(file).length - 3);
  await readTensors(file).then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, /counts is not where it should be/),
  );
  await readTensors(join(temporaryFolder(), 'none')).then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, /there is no such file/),
  );
});

test.run();
