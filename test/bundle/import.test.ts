import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { networkOf } from '#src/bundle/import/modelConfig.js';
import { type Bundle, checkCheckpoint, readBundle } from '#src/bundle/import/readBundle.js';
import { VoxError } from '#src/errors.js';
import { importCheckpoint } from '#src/models/importModel.js';
import { buildNetwork } from '#src/onnx/builders/buildNetwork.js';
import { readCheckpoint } from '#src/onnx/checkpoint/readCheckpoint.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { temporaryFolder } from '../e2e/harness.js';

const checkpoint = fileURLToPath(new URL('../../../test/fixtures/networks/unet_plain.pt', import.meta.url));
const network = {
  type: 'UNet',
  config: { in_channels: 1, out_channels: 2, channels: [4, 6, 8, 8], strides: [2, 2, [2, 1, 2]] },
};

async function fault(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => new Error('nothing was thrown'),
    (thrown) => thrown,
  );
  assert.ok(error instanceof VoxError, error.stack);
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
  const { bytes, card } = await importCheckpoint(bundle.checkpoint, networkOf(bundle.config), bundle.card);
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
  assert.match(await fault(readBundle(folder)), /The metadata .*metadata\.json cannot be read: /);
  writeFileSync(join(folder, 'configs/inference.json'), '[]');
  assert.match(await fault(readBundle(folder)), /inference\.json must contain a map/);
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

const preprocessing = {
  _target_: 'Compose',
  transforms: [
    { _target_: 'LoadImaged', keys: 'image' },
    { _target_: 'Spacingd', keys: 'image', pixdim: '@pixdim', _disabled_: '$not @resampled' },
    {
      _target_: 'ScaleIntensityRanged',
      keys: 'image',
      a_min: '$-@hu[0]',
      a_max: '$@hu[1]',
      b_min: 0,
      b_max: 1,
    },
  ],
};

test("a bundle's expressions are evaluated for the network and the card", async () => {
  const values = { pixdim: [1.5, 1.5, 2], hu: [57, 164], labels: { spleen: 1, background: 0 } };
  const net = { ...config.network_def, out_channels: '$len(@labels)', strides: '@sizes' };
  const changes = { ...values, resampled: true, sizes: [2, 2, 2], preprocessing, network_def: net };
  const folder = writeBundle({ ...config, ...changes }, {});
  const { card, config: read } = await readBundle(folder, { strides: [2, 2, [2, 1, 2]] });
  assert.equal(networkOf(read), { type: 'UNet', config: { spatial_dims: 3, ...network.config } });
  const scaling = { aMin: -57, aMax: 164, bMin: 0, bMax: 1 };
  assert.equal(card['input'], {
    patch: [24, 16, 16],
    spacing: [1.5, 1.5, 2],
    preprocessing: [{ load: null }, { spacing: { pixdim: [1.5, 1.5, 2] } }, { scaleIntensityRange: scaling }],
  });
  const without = await readBundle(writeBundle({ ...config, ...changes, resampled: false }, {}));
  assert.equal(without.card['input'], {
    patch: [24, 16, 16],
    preprocessing: [{ load: null }, { scaleIntensityRange: scaling }],
  });
});

test('what cannot be evaluated is left out of the card, and refused in the network', async () => {
  const evil = "$__import__('os').system('id')";
  const net = { ...config.network_def, out_channels: evil };
  const { card, config: read } = await readBundle(
    writeBundle({ ...config, hu: evil, preprocessing, network_def: net }, {}),
  );
  assert.equal(card['input'], { patch: [24, 16, 16] });
  const said = await fault((async () => networkOf(read))());
  assert.match(said, /inference\.json, at network_def#out_channels, the expression "\$__import__/);
  assert.match(said, /Give another value on the command line: --set out_channels=VALUE$/);
  const none = await readBundle(writeBundle({ ...config, network_def: { _target_: 'Unett' } }, {}));
  assert.match(await fault((async () => networkOf(none.config))()), /no network "Unett"/);
  const { network_def: _, ...rest } = config;
  const missing = await readBundle(writeBundle(rest, {}));
  assert.match(
    await fault((async () => networkOf(missing.config))()),
    /has no network_def, .* voxstream models import CHECKPOINT --network unet/,
  );
});

test.run();
