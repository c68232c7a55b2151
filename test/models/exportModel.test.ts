import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type ExportFormat, exportModel } from '#src/models/exportModel.js';
import { findModel } from '#src/models/findModel.js';
import { writeModelFolder } from '#src/models/folder.js';
import { newNetwork } from '#src/onnx/builders/buildNetwork.js';
import { readStateDicts } from '#src/onnx/checkpoint/readCheckpoint.js';
import { readModel, writeModel } from '#src/onnx/modelFile.js';
import { permuteAxes } from '#src/onnx/passes/permuteAxes.js';
import { readTensors } from '#src/onnx/training/tensorFile.js';
import { temporaryFolder } from '../e2e/harness.js';

const network = {
  spatial_dims: 3,
  in_channels: 1,
  out_channels: 2,
  channels: [2, 3],
  strides: [2],
  kernel_size: [3, 1, 3],
};
const graph = newNetwork('UNet', network, 3);
const bytes = writeModel(permuteAxes(graph));
const kernel = 'model.0.conv.weight';

async function exported(format: ExportFormat, card: object) {
  const folder = temporaryFolder();
  await writeModelFolder(join(folder, 'model'), { bytes, card: { name: 'tiny', axes: 'zyx', ...card } });
  const file = join(folder, `tiny.${format}`);
  return { file, notes: await exportModel(await findModel(join(folder, 'model')), format, file) };
}

test('a trained model is exported with the names, shapes and axes of its PyTorch class', async () => {
  const card = { weightAxes: 'xyz', network: { type: 'UNet', ...network } };
  const expected = graph.initializers.get(kernel);
  const pt = await exported('pt', card);
  assert.equal(pt.notes, []);
  const [state] = await readStateDicts(pt.file);
  assert.equal(state.tensors.get(kernel)?.read(kernel).data, expected?.data);
  const tensors = await readTensors((await exported('safetensors', card)).file);
  assert.equal(tensors.tensors.get(kernel)?.dims, expected?.dims);
  const { file, notes } = await exported('onnx', card);
  assert.equal(notes, []);
  assert.equal(readModel(readFileSync(file), file).initializers.get(kernel)?.data, expected?.data);
});

test('a model without a network has the names of its file, and an optimized one is refused', async () => {
  const { notes } = await exported('pt', {});
  assert.match(notes.join(' '), /names no network, so the tensors have the names of the ONNX file/);
  assert.match(notes.join(' '), /reads its axes in the order z, y, x, and so do its kernels/);
  const foreign = await exported('pt', { network: { type: 'OneConv' } });
  assert.match(foreign.notes.join(' '), /OneConv of tiny does not come with voxstream/);
  const optimized = { target: 'cpu', precision: 'float32', original: 'x', passes: [], maxDifference: 0 };
  await exported('pt', { optimized }).then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, /tiny was rewritten for cpu, so its weights are not those/),
  );
});

test.run();
