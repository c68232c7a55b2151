import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readModel } from '#src/onnx/modelFile.js';
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
        assert.ok(onWebgpu.maxDifference < 1e-5, `rewriting changes the output by ${onWebgpu.maxDifference}`);
        const expected = await run(readModel(onCpu.bytes), dims);
        const actual = await run(readModel(onWebgpu.bytes), dims, { executionProviders: ['webgpu'] });
        const far = maxDifference(actual.data, expected.data);
        assert.ok(far < 2e-5, `WebGPU differs by ${far}`);
      },
    );
  }
}

test.run();
