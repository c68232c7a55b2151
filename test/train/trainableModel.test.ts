import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findModel } from '#src/models/findModel.js';
import { checkpointToTrain, modelToTrain, networkToTrain } from '#src/train/trainableModel.js';
import { shared, sharedPath, testNeeding } from '../needs.js';

const unet = { in_channels: 1, out_channels: 2, channels: [4, 8], strides: [2] };
const spleen = {
  in_channels: 1,
  out_channels: 2,
  channels: [16, 32, 64, 128, 256],
  strides: [2, 2, 2, 2],
  num_res_units: 2,
  norm: 'batch',
};
const demo = shared('models/spleen_demo');

test('a fresh network reads its axes as volumes lie, unless it tells them apart', () => {
  assert.is(networkToTrain('UNet', unet, 1).axes, 'zyx');
  assert.is(networkToTrain('UNet', { ...unet, strides: [[2, 2, 1]] }, 1).axes, 'xyz');
  assert.is(networkToTrain('UNet', { ...unet, kernel_size: [3, 3, 1] }, 1).axes, 'xyz');
});

test('what a configuration asks for and training leaves out is said', () => {
  const { note } = networkToTrain('UNet', { ...unet, dropout: 0.2 }, 1);
  assert.is(note, 'The network UNet is trained without dropout, which its configuration asks for.');
  assert.is(networkToTrain('UNet', { ...unet, dropout: 0 }, 1).note, undefined);
});

testNeeding(demo, 'an exported model without its batch normalizations says so', async () => {
  const { axes, note } = await modelToTrain(await findModel(sharedPath('models/spleen_demo')));
  assert.is(axes, 'xyz');
  assert.match(
    note ?? '',
    /export of .*model\.onnx merged 13 batch normalizations into convolutions \(4 are left\)/,
  );
});

testNeeding(demo, 'a checkpoint has its batch normalizations', async () => {
  const { model, note } = await checkpointToTrain('UNet', spleen, sharedPath('models/spleen_demo/model.pt'));
  assert.is(model.nodes.filter(({ op }) => op === 'BatchNormalization').length, 17);
  assert.is(note, undefined);
});

test.run();
