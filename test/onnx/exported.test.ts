import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readModel, writeModel } from '#src/onnx/modelFile.js';
import { type OptimizeOptions, optimizeModel } from '#src/onnx/optimize.js';
import { conv, convTranspose, graphOf, leakyRelu, maxDifference, run } from './models.js';

/** Files that PyTorch exported, and the windows they take: see fixtures/onnx/make.py. */
const exported: readonly [name: string, channels: number, roiSize: [number, number, number]][] = [
  ['nnunet', 1, [8, 16, 24]],
  ['plain', 3, [6, 8, 10]],
  ['residual', 2, [16, 12, 8]],
  ['mixed', 1, [8, 12, 16]],
];

for (const [name, channels, roiSize] of exported) {
  const bytes = readFileSync(new URL(`../../../test/fixtures/onnx/${name}.onnx`, import.meta.url));

  for (const target of ['cpu', 'webgpu', 'cuda'] as const) {
    test(`${name}, as PyTorch exported it, gives the same numbers on ${target}`, async () => {
      const form = await optimizeModel(bytes, { target, roiSize });
      const batch = [target === 'cpu' ? 1 : 3, channels, ...roiSize];
      const [expected, actual] = [
        await run(readModel(bytes), batch),
        await run(readModel(form.bytes), batch),
      ];
      assert.equal(actual.dims, expected.dims);
      const difference = maxDifference(expected.data, actual.data);
      assert.ok(difference < 1e-5, `${form.passes}: ${difference}`);
    });
  }

  test(`${name} with its axes reversed, where that can be`, async () => {
    const { passes, maxDifference: difference } = await optimizeModel(bytes, {
      target: 'cpu',
      roiSize,
      axes: 'reverse',
    });
    assert.is(passes.includes('permuteAxes'), name === 'nnunet' || name === 'residual');
    assert.ok(difference < 1e-5, `${passes}: ${difference}`);
  });
}

test('constants that an exporter writes as nodes are found by the passes', async () => {
  const bytes = readFileSync(new URL('../../../test/fixtures/onnx/residual.onnx', import.meta.url));
  const { passes } = await optimizeModel(bytes, { target: 'webgpu', roiSize: [16, 12, 8] });
  assert.equal(passes, [
    'foldConstants',
    'foldBatchNorm',
    'preluToLeakyRelu',
    'foldResidual',
    'mergeConvs',
    'convTransposePhases',
    'lowerPixelShuffle',
  ]);
});

test('every opset from 11 to 20 is rewritten to the same numbers', async () => {
  const graph = graphOf(
    2,
    (g, x) => {
      const a = leakyRelu(g, conv(g, x, [2, 16]));
      const b = g.addNode('Add', [a, conv(g, x, [2, 16])]);
      const c = conv(g, b, [16, 16], { pads: [1, 1, 1, 1, 1, 1], strides: [2, 2, 2] });
      return conv(g, leakyRelu(g, convTranspose(g, c, [16, 2])), [2, 2]);
    },
    2,
  );
  const roiSize = [16, 4, 6] as const;
  const targets: Pick<OptimizeOptions, 'target' | 'precision'>[] = [
    { target: 'cpu' },
    { target: 'webgpu' },
    { target: 'webgpu', precision: 'float16' },
  ];
  for (let opset = 11; opset <= 20; opset++) {
    graph.opset = opset;
    for (const target of targets) {
      const { maxDifference: difference } = await optimizeModel(writeModel(graph), { ...target, roiSize });
      const most = target.precision ? 0.01 : 1e-5;
      assert.ok(difference < most, `opset ${opset}, ${target.target}: ${difference}`);
    }
  }
});

test('float16 is refused, not left out, for a model that cannot have it', async () => {
  const bytes = readFileSync(new URL('../../../test/fixtures/onnx/mixed.onnx', import.meta.url));
  try {
    await optimizeModel(bytes, { target: 'cuda', roiSize: [8, 12, 16], precision: 'float16' }, 'mixed.onnx');
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /mixed.onnx cannot be computed in float16: .* Use float32\./);
  }
});

test.run();
