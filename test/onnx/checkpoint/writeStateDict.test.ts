import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { newNetwork } from '#src/onnx/builders/buildNetwork.js';
import { networkFromCheckpoint } from '#src/onnx/builders/networkFromCheckpoint.js';
import { constantsOf, stateDictOf } from '#src/onnx/builders/stateDictOf.js';
import { readStateDicts } from '#src/onnx/checkpoint/readCheckpoint.js';
import { writeStateDict } from '#src/onnx/checkpoint/writeStateDict.js';
import { foldBatchNorm } from '#src/onnx/passes/foldBatchNorm.js';
import { permuteAxes } from '#src/onnx/passes/permuteAxes.js';
import { floats, tensor } from '#src/onnx/tensor.js';

const unet = {
  spatial_dims: 3,
  in_channels: 1,
  out_channels: 2,
  channels: [3, 4],
  strides: [2],
  num_res_units: 1,
  kernel_size: [3, 1, 3],
  norm: 'batch',
};
const swin = {
  in_channels: 1,
  out_channels: 2,
  img_size: 32,
  feature_size: 12,
  depths: [2, 2, 2, 2],
  num_heads: [3, 6, 12, 24],
  window_size: 2,
};
const dynUNet = {
  spatial_dims: 3,
  in_channels: 1,
  out_channels: 2,
  kernel_size: [3, 3, 3],
  strides: [1, 2, 2],
  upsample_kernel_size: [2, 2],
  filters: [4, 4, 6],
};

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'voxstream-state-'));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('a network that was written as a state dict is read again with the same weights', () =>
  inFolder(async (folder) => {
    const size = [32, 32, 32] as const;
    for (const [type, config, reversed] of [
      ['UNet', unet, true],
      ['SwinUNETR', swin, false],
      ['DynUNet', dynUNet, true],
    ] as const) {
      const graph = newNetwork(type, config, 7, { size });
      const trained = reversed ? permuteAxes(graph) : graph;
      assert.is(trained !== graph, reversed, type);
      const file = join(folder, `${type}.pt`);
      const { tensors, notes } = stateDictOf(type, config, { graph: trained, reversed }, { size });
      assert.equal(notes, [], type);
      await writeStateDict(file, tensors);
      const read = await networkFromCheckpoint(type, config, file, { size });
      for (const [name, { data }] of graph.initializers) {
        assert.equal(read.graph.initializers.get(name)?.data, data, `${type} ${name}`);
      }
    }
  }));

test("a state dict has the names of PyTorch's parameters, buffers and second names", () => {
  const size = [32, 32, 32] as const;
  const names = (type: string, config: object) =>
    [...stateDictOf(type, config, { graph: newNetwork(type, config, 1, { size }) }, { size }).tensors]
      .map(([name, { dims }]) => `${name} ${dims.join('x')}`)
      .sort();
  assert.ok(names('UNet', unet).includes('model.0.conv.unit0.adn.N.num_batches_tracked '));
  assert.ok(names('UNet', unet).includes('model.0.conv.unit0.conv.weight 3x1x3x1x3'));
  const swinNames = names('SwinUNETR', swin);
  const index = 'swinViT.layers1.0.blocks.0.attn.relative_position_index 8x8';
  assert.ok(swinNames.includes(index));
  assert.ok(swinNames.includes('swinViT.layers1.0.blocks.0.attn.qkv.weight 36x12'));
  const second = names('DynUNet', dynUNet);
  for (const name of [
    'skip_layers.downsample.conv1.conv.weight 4x1x3x3x3',
    'skip_layers.next_layer.downsample.conv1.conv.weight 4x4x3x3x3',
    'skip_layers.next_layer.next_layer.conv1.conv.weight 6x4x3x3x3',
    'skip_layers.next_layer.upsample.transp_conv.conv.weight 6x4x2x2x2',
    'skip_layers.upsample.transp_conv.conv.weight 4x4x2x2x2',
  ]) {
    assert.ok(second.includes(name), name);
  }
});

test('weights that a pass has merged are not written as a state dict', () => {
  const merged = foldBatchNorm(newNetwork('UNet', unet, 1));
  assert.throws(
    () => stateDictOf('UNet', unet, { graph: merged }),
    /The weights of UNet cannot be written as a state dict of UNet: .*running_mean.* not in the model value for value/,
  );
  assert.ok(constantsOf(merged).size > 0);
});

test('tensors of all types are written, below a key or not, and a shared one once', () =>
  inFolder(async (folder) => {
    const file = join(folder, 'some.weights.pt');
    const shared = floats([2, 3], [1, 2, 3, 4, 5, -6.5]);
    const tensors = new Map([
      ['a.weight', shared],
      ['b.weight', shared],
      ['counter', tensor('int64', [], BigInt64Array.of(12_345_678_901n))],
      ['mask', tensor('uint8', [3], Uint8Array.of(0, 1, 255))],
      ['empty', floats([0, 4], [])],
    ]);
    await writeStateDict(file, tensors, 'model');
    const [state] = await readStateDicts(file);
    assert.is(state.path, 'model');
    assert.equal([...state.tensors.keys()], [...tensors.keys()]);
    for (const [name, stored] of state.tensors) assert.equal(stored.read(name), tensors.get(name), name);
  }));

test.run();
