import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '#src/errors.js';
import { parseCheckpoint } from '#src/onnx/checkpoint/readCheckpoint.js';
import { numbersOf } from '#src/onnx/tensor.js';

/** A file of a header, which may be any text, and bytes. */
function fileOf(header: unknown, data: Uint8Array = new Uint8Array(), length?: bigint): Uint8Array {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(length ?? BigInt(text.length));
  return new Uint8Array(Buffer.concat([head, text, data]));
}

function refusal(file: Uint8Array): string {
  try {
    parseCheckpoint(file, 'bad.safetensors');
  } catch (error) {
    assert.instance(error, ModelError);
    return (error as ModelError).message;
  }
  return 'it was read';
}

const floatsOf = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const entry = (begin: number, end: number, shape: unknown = [(end - begin) / 4], dtype = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

test('tensors are read by name, in any order and of any type', () => {
  const data = Buffer.concat([floatsOf(1, 2, 3, 4), Buffer.from([0x00, 0x3c, 0x80, 0x3f, 7, 0])]);
  const header = {
    __metadata__: { format: 'pt' },
    half: entry(16, 18, [1], 'F16'),
    b: entry(8, 16),
    a: entry(0, 8, [2, 1]),
    brain: entry(18, 20, [], 'BF16'),
    short: entry(20, 22, [1], 'I16'),
  };
  const tensors = parseCheckpoint(fileOf(header, data), 'good.safetensors');
  assert.equal([...tensors.keys()], ['half', 'b', 'a', 'brain', 'short']);
  assert.equal(tensors.get('a')?.dims, [2, 1]);
  const all = [...tensors].map(([name, tensor]) => [name, numbersOf(tensor)]);
  assert.equal(Object.fromEntries(all), { half: [1], b: [3, 4], a: [1, 2], brain: [1], short: [7] });
});

test('a header that lies is refused, and says how', () => {
  const data = floatsOf(1, 2, 3, 4);
  const cases: [string, Uint8Array, RegExp][] = [
    ['a length beyond the file', fileOf({}, data, 1000n), /claims a header of 1000 B/],
    ['a length of 2^60', fileOf({}, data, 2n ** 60n), /claims a header of/],
    ['no JSON', fileOf('{"a": ', data), /its header is no JSON/],
    [
      'a thousand levels of lists',
      fileOf(`{"a":${'['.repeat(1e5)}`, data),
      /its header is no JSON|no type|type none/,
    ],
    ['an overlap', fileOf({ a: entry(0, 12), b: entry(8, 16) }, data), /"b" begins at 8, which overlaps/],
    [
      'the same place twice',
      fileOf({ a: entry(0, 16), b: entry(0, 16) }, data),
      /"b" begins at 0, which overlaps/,
    ],
    ['a gap', fileOf({ a: entry(0, 4), b: entry(8, 16) }, data), /"b" begins at 8, which leaves a gap/],
    ['an end beyond the file', fileOf({ a: entry(0, 400) }, data), /end at 400, but 16 bytes .* cut off/],
    ['bytes of no tensor', fileOf({ a: entry(0, 8) }, data), /end at 8, but 16 bytes .* damaged/],
    [
      'a shape of 10^18 values',
      fileOf({ a: entry(0, 16, [1e9, 1e9]) }, data),
      /takes 4000000000000000000 bytes, but/,
    ],
    ['a negative size', fileOf({ a: entry(0, 16, [-4]) }, data), /has no shape/],
    ['a shape that is text', fileOf({ a: entry(0, 16, 'four') }, data), /has no shape/],
    ['offsets the wrong way round', fileOf({ a: entry(16, 0, [4]) }, data), /no proper data_offsets/],
    [
      'an unknown type',
      fileOf({ a: entry(0, 16, [16], 'F8_E4M3') }, data),
      /has the type "F8_E4M3"; known are/,
    ],
    ['no type', fileOf({ a: 3 }, data), /has the type none/],
    ['no tensors', fileOf({}), /holds no state dict/],
  ];
  for (const [what, file, expected] of cases) assert.match(refusal(file), expected, what);
});

test.run();
