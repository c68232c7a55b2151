import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { newNetwork } from '#src/onnx/builders/buildNetwork.js';
import { numbersOf } from '#src/onnx/tensor.js';

const config = {
  in_channels: 1,
  out_channels: 2,
  channels: [8, 16],
  strides: [2],
  num_res_units: 1,
  norm: 'batch',
};

test('the same seed makes the same network, another one another', () => {
  const [a, b, c] = [1, 1, 2].map((seed) => newNetwork('UNet', config, seed).initializers);
  assert.equal([...a], [...b]);
  assert.not.equal([...a], [...c]);
});

test('kernels and biases begin uniform within 1 / sqrt(fan in), norms and slopes as in PyTorch', () => {
  const { initializers } = newNetwork('UNet', config, 1);
  const values = (name: string) => numbersOf(initializers.get(name)!);
  const spread = (name: string, bound: number) => {
    const all = values(name);
    assert.ok(
      all.every((n) => Math.abs(n) <= bound),
      name,
    );
    const deviation = Math.sqrt(all.reduce((sum, n) => sum + n * n, 0) / all.length);
    // A uniform distribution's deviation, within what chance does to this many numbers.
    assert.ok(Math.abs(deviation / (bound / Math.sqrt(3)) - 1) < 3 / Math.sqrt(all.length), name);
  };
  spread('model.1.submodule.conv.unit0.conv.weight', 1 / Math.sqrt(8 * 27));
  spread('model.1.submodule.conv.unit0.conv.bias', 1 / Math.sqrt(8 * 27));
  // A transposed convolution's fan in is counted over its outputs.
  spread('model.2.0.conv.weight', 1 / Math.sqrt(2 * 27));
  assert.equal(values('model.0.conv.unit0.adn.N.weight'), Array(8).fill(1));
  assert.equal(values('model.0.conv.unit0.adn.N.bias'), Array(8).fill(0));
  assert.equal(values('model.0.conv.unit0.adn.N.running_mean'), Array(8).fill(0));
  assert.equal(values('model.0.conv.unit0.adn.N.running_var'), Array(8).fill(1));
  assert.equal(values('model.0.conv.unit0.adn.A.weight'), [0.25]);
});

test('DynUNet begins normal, without biases', () => {
  const dynUNet = {
    in_channels: 1,
    out_channels: 2,
    kernel_size: [3, 3, 3],
    strides: [1, 2, 2],
    upsample_kernel_size: [2, 2],
    filters: [8, 16, 32],
  };
  const { initializers } = newNetwork('DynUNet', dynUNet, 1);
  const kernel = numbersOf(initializers.get('bottleneck.conv2.conv.weight')!);
  const deviation = Math.sqrt(kernel.reduce((sum, n) => sum + n * n, 0) / kernel.length);
  assert.ok(Math.abs(deviation / Math.sqrt(2 / (1.0001 * 32 * 27)) - 1) < 3 / Math.sqrt(kernel.length));
  assert.equal(numbersOf(initializers.get('output_block.conv.conv.bias')!), [0, 0]);
});

test('the voxels of a shuffled block begin equal', () => {
  const segResNet = {
    in_channels: 1,
    out_channels: 2,
    upsample_mode: 'pixelshuffle',
    blocks_down: [1, 1],
    blocks_up: [1],
  };
  const { initializers } = newNetwork('SegResNet', segResNet, 1);
  const { data, dims } = initializers.get('up_samples.0.1.pixelshuffle.conv_block.weight')!;
  const kernel = data.length / dims[0];
  const output = (i: number) => Array.from(data.slice(i * kernel, (i + 1) * kernel) as Float32Array);
  assert.equal(output(7), output(0));
  assert.not.equal(output(8), output(0));
});

test.run();
