import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { newNetwork } from '#src/onnx/builders/buildNetwork.js';
import { freshWeights } from '#src/onnx/builders/freshWeights.js';
import { swinBlock } from '#src/onnx/builders/layers/swinBlock.js';
import { NetworkBuilder } from '#src/onnx/builders/networkBuilder.js';
import { readModel, writeModel } from '#src/onnx/modelFile.js';
import { optimizeModel } from '#src/onnx/optimize.js';
import { root } from '../e2e/harness.js';
import { type Missing, shared, sharedPath, swiftShader, swiftShaderEnv, testNeeding } from '../needs.js';
import { maxDifference, ops, run } from './models.js';

Object.assign(process.env, swiftShaderEnv);

const roiSize = [16, 16, 16] as const;
const dims = [1, 1, ...roiSize];

/** Two UNets: one exported by voxstream's trainer, and one exported by PyTorch. */
const models: readonly { name: string; file: string; need: Missing }[] = [
  { name: 'spleen_phantom', file: join(root, 'models/spleen_phantom/model.onnx'), need: undefined },
  {
    name: 'spleen_demo',
    file: sharedPath('models/spleen_demo/model.onnx'),
    need: shared('models/spleen_demo/model.onnx'),
  },
];

for (const { name, file, need } of models) {
  testNeeding(need, `${name} for WebGPU has no transposed convolution, which fails there`, async () => {
    const original = readFileSync(file);
    assert.ok(ops(readModel(original)).includes('ConvTranspose'));
    const { bytes } = await optimizeModel(original, { target: 'webgpu', roiSize });
    assert.not.ok(ops(readModel(bytes)).includes('ConvTranspose'));
  });

  for (const head of ['logits', 'difference'] as const) {
    testNeeding(
      [need, swiftShader],
      `${name} gives on WebGPU what it gives on the CPU, head ${head}`,
      async () => {
        const original = readFileSync(file);
        const onCpu = await optimizeModel(original, { target: 'cpu', roiSize, head });
        const onWebgpu = await optimizeModel(original, { target: 'webgpu', roiSize, head });
        // Of logits up to 10, on a random window. In 30 windows, the difference was at most 9.5e-6.
        assert.ok(onWebgpu.maxDifference < 3e-5, `rewriting changes the output by ${onWebgpu.maxDifference}`);
        const expected = await run(readModel(onCpu.bytes), dims);
        const actual = await run(readModel(onWebgpu.bytes), dims, { executionProviders: ['webgpu'] });
        const far = maxDifference(actual.data, expected.data);
        assert.ok(far < 2e-5, `WebGPU differs by ${far}`);
      },
    );
  }
}

for (const { name, file, need } of models) {
  testNeeding(need, `${name} in float16 gives nearly the logits of the original on the CPU`, async () => {
    const original = readFileSync(file);
    const { data: expected } = await run(readModel(original), dims);
    const largest = maxDifference(expected, new Float32Array(expected.length));
    for (const target of ['cuda', 'webgpu'] as const) {
      const { bytes } = await optimizeModel(original, { target, roiSize, precision: 'float16' });
      const { data: actual } = await run(readModel(bytes), dims);
      // A float16 has 11 bits, so each value inside is off by up to 5e-4 of its size.
      const far = maxDifference(actual, expected) / largest;
      assert.ok(far > 1e-6 && far < 2e-3, `${target}: logits differ by ${far} of the largest`);
    }
  });
}

/** Small networks of convolutions, with gates and with groups. */
const networks: readonly { name: string; config: object; size: readonly [number, number, number] }[] = [
  {
    name: 'SegResNetDS',
    config: { init_filters: 4, blocks_down: [1, 1], norm: 'instance' },
    size: [8, 8, 8],
  },
  {
    name: 'AttentionUnet',
    config: { in_channels: 1, out_channels: 2, channels: [4, 8], strides: [2] },
    size: [8, 8, 8],
  },
  {
    name: 'MedNeXt',
    config: {
      init_filters: 4,
      kernel_size: 3,
      blocks_down: [1],
      blocks_up: [1],
      use_residual_connection: true,
    },
    size: [8, 8, 8],
  },
];

for (const { name, config, size } of networks) {
  testNeeding(swiftShader, `a new ${name} gives on WebGPU what it gives on the CPU`, async () => {
    const graph = newNetwork(name, config, 1, { size });
    const { bytes } = await optimizeModel(writeModel(graph), { target: 'webgpu', roiSize: size });
    const dims = [1, 1, ...size];
    const expected = await run(graph, dims);
    const actual = await run(readModel(bytes), dims, { executionProviders: ['webgpu'] });
    const far = maxDifference(actual.data, expected.data);
    assert.ok(far < 1e-4, `WebGPU differs by ${far}`);
  });
}

testNeeding(
  swiftShader,
  'attention in shifted windows gives on WebGPU what it gives on the CPU',
  async () => {
    const net = new NetworkBuilder('block', freshWeights(1, 'uniform'));
    const dims = [1, 5, 4, 6, 8];
    const x = net.graph.addInput('x', 'float32', dims);
    const config = { window_size: [3, 3, 3], qkv_bias: true, mlp_ratio: 2 } as const;
    const options = { channels: 8, heads: 2, sizes: [5, 4, 6], shifted: true } as const;
    net.graph.addOutput(swinBlock(net, 'block', x, config, options), 'float32', dims);
    const expected = await run(net.graph, dims);
    const actual = await run(net.graph, dims, { executionProviders: ['webgpu'] });
    const far = maxDifference(actual.data, expected.data);
    assert.ok(far < 1e-5, `WebGPU differs by ${far}`);
  },
);

test.run();
