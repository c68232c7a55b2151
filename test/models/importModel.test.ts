import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError, ModelError } from '#src/errors.js';
import { importCheckpoint, importOnnx } from '#src/models/importModel.js';
import { buildNetwork } from '#src/onnx/builders/buildNetwork.js';
import { readCheckpoint } from '#src/onnx/checkpoint/readCheckpoint.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { temporaryFolder } from '../e2e/harness.js';

const fixture = (name: string) =>
  fileURLToPath(new URL(`../../../test/fixtures/networks/${name}`, import.meta.url));
const network = {
  type: 'UNet',
  config: { in_channels: 1, out_channels: 2, channels: [4, 6, 8, 8], strides: [2, 2, [2, 1, 2]] },
};
const checkpoint = fixture('unet_plain.pt');

async function fault(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => new Error('nothing was thrown'),
    (thrown) => thrown,
  );
  assert.ok(error instanceof ModelError || error instanceof DataError, error.stack);
  return error.message;
}

test('a prefix that no weight has is refused', async () => {
  const said = await fault(importCheckpoint(checkpoint, network, { name: 'a' }, 'net.'));
  assert.match(
    said,
    /No tensor of .*unet_plain\.pt has the prefix "net\." before the name of a weight; the first are model\.0\.conv\.weight/,
  );
  // The names of this checkpoint begin with "model." themselves.
  assert.match(
    await fault(importCheckpoint(checkpoint, network, { name: 'a' }, 'model.')),
    /has the prefix "model\."/,
  );
});

test('a model is run before it is taken: windows and weights that do not work are reported', async () => {
  const patch = [20, 16, 16];
  assert.match(
    await fault(importCheckpoint(checkpoint, network, { name: 'a', input: { patch } })),
    /unet_plain\.pt cannot be run on a window of \[1, 1, 20, 16, 16\]: .* give that with --patch/,
  );
  const state = new Map(await readCheckpoint(checkpoint));
  const { dims } = state.get('model.0.conv.weight')!;
  state.set('model.0.conv.weight', { type: 'float32', dims, data: new Float32Array(108).fill(Number.NaN) });
  const file = join(temporaryFolder(), 'nan.onnx');
  writeFileSync(file, writeModel(buildNetwork('UNet', network.config, state)));
  assert.match(
    await fault(importOnnx(file, { name: 'nan' })),
    /gives NaN or infinite values for input values from 0 to 1/,
  );
});

test('an ONNX file is taken as it is, with its channels on the card', async () => {
  const graph = buildNetwork('UNet', network.config, await readCheckpoint(checkpoint));
  const file = join(temporaryFolder(), 'net.onnx');
  writeFileSync(file, writeModel(graph));
  const { bytes, card } = await importOnnx(file, {
    name: 'net',
    axes: 'zyx',
    input: { patch: [16, 16, 24] },
  });
  assert.is(Buffer.compare(bytes, writeModel(graph)), 0);
  assert.equal(
    [card['axes'], card['input'], card['output']],
    ['zyx', { channels: 1, patch: [16, 16, 24] }, { channels: 2 }],
  );
  writeFileSync(file, 'no model');
  assert.match(await fault(importOnnx(file, { name: 'net' })), /net\.onnx cannot be read as an ONNX model/);
});

test.run();
