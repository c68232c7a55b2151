import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError, ModelError } from '#src/errors.js';
import { type Bundle, checkCheckpoint, readBundle } from '#src/models/bundle.js';
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

/** A bundle's folder, whose network is that of `checkpoint`. */
function writeBundle(config: object, metadata: unknown, name = 'spleen_bundle'): string {
  const folder = join(temporaryFolder(), name);
  mkdirSync(join(folder, 'configs'), { recursive: true });
  mkdirSync(join(folder, 'models'));
  writeFileSync(join(folder, 'configs/inference.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'configs/metadata.json'), JSON.stringify(metadata));
  copyFileSync(checkpoint, join(folder, 'models/model.pt'));
  return folder;
}

const config = {
  bundle_root: '.',
  device: "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
  network_def: { _target_: 'UNet', spatial_dims: 3, ...network.config },
  network: '$@network_def.to(@device)',
  inferer: { _target_: 'SlidingWindowInferer', roi_size: [24, 16, 16] },
  postprocessing: { transforms: [{ _target_: 'Activationsd', keys: 'pred', softmax: true }] },
};
const metadata = {
  version: '0.5.9',
  description: 'A network of random weights',
  copyright: 'Copyright (c) nobody',
  data_source: 'none',
  eval_metrics: { mean_dice: 0.5 },
  intended_use: 'This is an example, not to be used for diagnostic purposes',
  network_data_format: {
    inputs: {
      image: { modality: 'CT', num_channels: 1, spatial_shape: ['8*n', '8*n', '8*n'], value_range: [-1, 1] },
    },
    outputs: { pred: { num_channels: 2, channel_def: { 0: 'background', 1: 'spleen' } } },
  },
};

test('a bundle becomes a model with its labels, patch, value range and intended use on the card', async () => {
  const folder = writeBundle(config, metadata);
  const bundle: Bundle = await readBundle(folder);
  await checkCheckpoint(folder, bundle);
  const { bytes, card } = await importCheckpoint(bundle.checkpoint, bundle.config.network(), bundle.card);
  const { sha256 } = card['source'] as { sha256: string };
  assert.match(sha256, /^[0-9a-f]{64}$/);
  assert.equal(card, {
    name: 'spleen_bundle',
    version: '0.5.9',
    description: 'A network of random weights',
    copyright: 'Copyright (c) nobody',
    labels: { 0: 'background', 1: 'spleen' },
    input: { channels: 1, patch: [24, 16, 16], valueRange: [-1, 1], modality: 'CT' },
    output: { channels: 2, activation: 'softmax' },
    training: { data: 'none', mean_dice: 0.5 },
    intendedUse: 'This is an example, not to be used for diagnostic purposes',
    network: { type: 'UNet', spatial_dims: 3, ...network.config },
    source: { file: 'model.pt', sha256 },
  });
  const built = writeModel(buildNetwork('UNet', network.config, await readCheckpoint(checkpoint)));
  assert.is(Buffer.compare(bytes, built), 0);
});

test('a missing or invalid part of a bundle is named, with where to get it', async () => {
  const folder = writeBundle(config, metadata);
  const bundle = await readBundle(folder);
  rmSync(bundle.checkpoint);
  assert.match(await fault(checkCheckpoint(folder, bundle)), /has no .*model\.pt\. Put its weights there/);
  copyFileSync(checkpoint, join(folder, 'models/model_lowres.pt'));
  assert.match(
    await fault(checkCheckpoint(folder, bundle)),
    /has model_lowres\.pt: give one with --checkpoint/,
  );
  const url = 'https://example.org/model.pt';
  const large = `large_files:\n  - path: models/model.pt\n    url: ${url}\n    hash_val: abc\n    hash_type: md5\n`;
  writeFileSync(join(folder, 'large_files.yml'), large);
  assert.match(
    await fault(checkCheckpoint(folder, bundle)),
    /Download it from https:\/\/example\.org\/model\.pt \(see large_files\.yml; md5 abc\), then import again/,
  );
  writeFileSync(join(folder, 'configs/metadata.json'), '{');
  assert.match(await fault(readBundle(folder)), /metadata\.json is not valid JSON: /);
  writeFileSync(join(folder, 'configs/inference.json'), '[]');
  assert.match(await fault(readBundle(folder)), /inference\.json must hold a map/);
  assert.match(
    await fault(readBundle(temporaryFolder())),
    /is not a MONAI bundle: it has neither configs\/inference\.json/,
  );
});

test('metadata of another shape is ignored', async () => {
  const odd = {
    network_data_format: { inputs: [], outputs: { pred: { channel_def: 'one' } } },
    description: 3,
    eval_metrics: 'good',
    version: '',
  };
  const { card } = await readBundle(writeBundle({ ...config, inferer: 1, postprocessing: null }, odd, 'odd'));
  assert.equal(card, { name: 'odd' });
});

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
