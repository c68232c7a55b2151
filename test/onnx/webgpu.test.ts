import { existsSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Graph } from '#src/onnx/graph.js';
import { readModel, writeModel } from '#src/onnx/modelFile.js';
import { optimizeModel } from '#src/onnx/optimize.js';
import { maxDifference, ops, run } from './models.js';

/** A Vulkan driver for the CPU, which Debian's package chromium brings. */
const driver = '/usr/lib/chromium/vk_swiftshader_icd.json';

const demo = readModel(
  readFileSync(new URL('../../../../shared/models/spleen_demo/model.onnx', import.meta.url)),
  'model.onnx',
);

async function onWebgpu(graph: Graph, size: number): Promise<Float32Array> {
  return (await run(graph, [1, 1, size, size, size], { executionProviders: ['webgpu'] })).data;
}

test('the form for WebGPU has no transposed convolution, which fails there at run time', async () => {
  const { bytes } = await optimizeModel(writeModel(demo), { target: 'webgpu', roiSize: [16, 16, 16] });
  assert.not.ok(ops(readModel(bytes)).includes('ConvTranspose'));
});

if (existsSync(driver)) {
  process.env['VK_DRIVER_FILES'] = driver;
  for (const head of ['logits', 'difference'] as const) {
    test(`the spleen network runs on WebGPU (SwiftShader), head ${head}`, async () => {
      const bytes = writeModel(demo);
      const onCpu = await optimizeModel(bytes, { target: 'cpu', roiSize: [16, 16, 16], head });
      const { bytes: rewritten, maxDifference: difference } = await optimizeModel(bytes, {
        target: 'webgpu',
        roiSize: [16, 16, 16],
        head,
      });
      assert.ok(difference < 1e-5, `the largest difference on the CPU is ${difference}`);
      const expected = await run(readModel(onCpu.bytes), [1, 1, 16, 16, 16]);
      const actual = await onWebgpu(readModel(rewritten), 16);
      const far = maxDifference(actual, expected.data);
      assert.ok(far < 2e-5, `the largest difference on WebGPU is ${far}`);
    });
  }
} else {
  test.skip(`WebGPU is NOT tested: there is no ${driver} (apt-get install chromium libvulkan1 brings it)`);
}

test.run();
