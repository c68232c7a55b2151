import protobuf from 'onnx-proto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fromFloat16, toFloat16 } from '#src/onnx/float16.js';
import { floats, int64s, numbersOf, tensor } from '#src/onnx/tensor.js';
import { checkTensors, tensorFromProto, tensorToProto } from '#src/onnx/tensorProto.js';

test('tensors survive their protobuf message', () => {
  for (const value of [
    floats([2, 1], [0.5, -1]),
    int64s([-1, 2 ** 40]),
    tensor('bool', [2], Uint8Array.of(1, 0)),
    tensor('float16', [1], Uint16Array.of(0x3c00)),
    tensor('float64', [], Float64Array.of(Math.PI)),
  ]) {
    assert.equal(tensorFromProto(tensorToProto('t', value)), value);
  }
});

test('values may lie in the typed fields of a message', () => {
  assert.equal(tensorFromProto({ dataType: 1, dims: [2], floatData: [1, 2] }), floats([2], [1, 2]));
  assert.equal(tensorFromProto({ dataType: 7, dims: [1], int64Data: [-3] }), int64s([-3]));
  assert.equal(numbersOf(tensorFromProto({ dataType: 10, dims: [1], int32Data: [0xc000] })), [-2]);
});

test('a tensor whose values do not fit its shape, or lie elsewhere, is refused by name', () => {
  assert.throws(
    () => tensorFromProto({ name: 'w', dataType: 1, dims: [3], floatData: [1] }),
    'The tensor w of [3] must hold 3 values of type float32, but it holds 1.',
  );
  assert.throws(
    () => checkTensors([protobuf.onnx.TensorProto.create({ name: 'w', dataType: 1, dataLocation: 1 })]),
    /w is stored in a file beside/,
  );
  assert.throws(() => tensorFromProto({ name: 's', dataType: 8 }), /s has the type 8, which is not numeric/);
  assert.throws(() => floats([2], [1]), 'A float32 tensor of [2] holds 2 values, but 1 were given.');
});

test('float16: every number there is survives, and others go to the nearest, ties to even', () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = fromFloat16(bits);
    if (!Number.isNaN(value)) assert.is(toFloat16(value), bits);
  }
  assert.is(toFloat16(1 + 2 ** -11), 0x3c00, 'half way, to even below');
  assert.is(toFloat16(1 + 3 * 2 ** -11), 0x3c02, 'half way, to even above');
  assert.is(toFloat16(65519), 0x7bff);
  assert.is(toFloat16(65520), 0x7c00);
  assert.is(toFloat16(-1e9), 0xfc00);
  assert.is(toFloat16(1.5 * 2 ** -25), 1, 'the smallest subnormal');
  assert.is(toFloat16(2 ** -25), 0);
  assert.is(toFloat16(Number.NaN), 0x7e00);
});

test('bfloat16 is the upper half of a float32', () => {
  assert.equal(numbersOf(tensor('bfloat16', [2], Uint16Array.of(0x3f80, 0xc000))), [1, -2]);
});

test.run();
