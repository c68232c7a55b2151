import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { splitWeights } from '#src/onnx/externalWeights.js';
import { readModel, writeModel } from '#src/onnx/modelFile.js';
import * as ort from '#src/onnx/ort.js';
import { temporaryFolder } from '../e2e/harness.js';
import { conv, graphOf, leakyRelu, random } from './models.js';

/** Its kernels are of 4,000 bytes, of 9,504, which is not a multiple of 64, and of 19,008. */
const bytes = writeModel(
  graphOf(
    1,
    (g, x) => {
      const a = leakyRelu(g, conv(g, x, [1, 8], {}, [5, 5, 5]));
      const b = leakyRelu(g, conv(g, a, [8, 11], {}));
      return conv(g, b, [11, 16], {});
    },
    16,
  ),
);

test('a model with its weights in a file beside it computes the same bits', async () => {
  const folder = temporaryFolder();
  const split = splitWeights(bytes);
  const weights = split.weights!;
  const content = Buffer.concat(weights.parts);
  assert.is(weights.sha256, createHash('sha256').update(content).digest('hex'));
  assert.is(weights.name, `${weights.sha256.slice(0, 32)}.weights`);
  assert.is(content.length, 9504 + 32 + 19_008, 'each begins at a multiple of 64 bytes');
  writeFileSync(join(folder, 'model.onnx'), split.bytes);
  writeFileSync(join(folder, weights.name), content);
  const dims = [1, 1, 10, 10, 10];
  const x = new ort.Tensor('float32', random(dims).data as Float32Array, dims);
  const sessions = [
    await ort.InferenceSession.create(join(folder, 'model.onnx')),
    await ort.InferenceSession.create(bytes),
  ];
  const [fromFiles, fromBytes] = await Promise.all(
    sessions.map(async (session) => (await session.run({ x }))[session.outputNames[0]].data as Float32Array),
  );
  assert.ok(fromBytes.some((one) => one !== 0));
  assert.equal(fromFiles, fromBytes);
});

test('a model without large weights stays one file', () => {
  const small = writeModel(graphOf(1, (g, x) => conv(g, x, [1, 2]), 2));
  assert.equal(splitWeights(small), { bytes: small });
});

test('a model with weights in another file is still refused where models are read', () => {
  assert.throws(() => readModel(splitWeights(bytes).bytes), /is stored in a file beside the model/);
});

test.run();
