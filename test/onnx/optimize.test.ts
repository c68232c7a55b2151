import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Graph } from '#src/onnx/graph.js';
import { readModel, writeModel } from '#src/onnx/modelFile.js';
import { optimizeModel } from '#src/onnx/optimize.js';
import { halfPrecision } from '#src/onnx/passes/halfPrecision.js';
import { permuteAxes } from '#src/onnx/passes/permuteAxes.js';
import { conv, convTranspose, graphOf, leakyRelu, maxDifference, ops, random, run } from './models.js';

/** A U-Net of one level with unequal kernels, so that an axis taken for another shows. */
function unet(): Graph {
  return graphOf(
    1,
    (g, x) => {
      const pads = [1, 1, 0, 1, 1, 0];
      const a = leakyRelu(g, conv(g, x, [1, 16], { pads }, [3, 3, 1]));
      const down = { pads: [1, 1, 1, 1, 1, 1], strides: [2, 2, 2] };
      const b = leakyRelu(g, conv(g, a, [16, 16], down));
      const up = leakyRelu(g, convTranspose(g, b, [16, 16]));
      return conv(g, g.addNode('Concat', [a, up], { axis: 1 }), [32, 2]);
    },
    2,
  );
}

test('the target cpu: slices, the same numbers', async () => {
  const graph = unet();
  const optimized = await optimizeModel(writeModel(graph), { target: 'cpu', roiSize: [8, 12, 16] });
  const { passes, maxDifference: difference, bytes: rewritten } = optimized;
  assert.equal(passes, ['convTransposePhases', 'delayShuffle', 'sliceConvs']);
  assert.ok(difference > 0 && difference < 1e-5, String(difference));
  const dims = [1, 1, 8, 12, 16];
  const [expected, actual] = [await run(graph, dims), await run(readModel(rewritten), dims)];
  assert.ok(maxDifference(expected.data, actual.data) < 1e-5);
});

test('the target webgpu: no transposed convolution', async () => {
  const options = { target: 'webgpu', roiSize: [8, 8, 8] } as const;
  const { bytes, passes } = await optimizeModel(writeModel(unet()), options);
  assert.equal(passes, ['convTransposePhases', 'lowerPixelShuffle']);
  assert.not.ok(ops(readModel(bytes)).includes('ConvTranspose'));
});

test('reversed axes, a head of one channel and the cpu form go together', async () => {
  const { passes, maxDifference: difference } = await optimizeModel(writeModel(unet()), {
    target: 'cpu',
    roiSize: [8, 12, 16],
    axes: 'reverse',
    head: 'difference',
  });
  assert.equal(passes, ['permuteAxes', 'twoClassHead', 'convTransposePhases', 'delayShuffle', 'sliceConvs']);
  assert.ok(difference > 0 && difference < 1e-5, String(difference));
});

test('float16 inside, float32 outside, for cuda and webgpu only', async () => {
  const options = { roiSize: [8, 8, 8], precision: 'float16' } as const;
  const {
    bytes,
    passes,
    maxDifference: difference,
  } = await optimizeModel(writeModel(unet()), {
    ...options,
    target: 'cuda',
  });
  assert.equal(passes, ['halfPrecision']);
  assert.ok(difference > 1e-5 && difference < 0.02, String(difference));
  const half = readModel(bytes);
  assert.equal([half.inputs[0].type, half.outputs[0].type], ['float32', 'float32']);
  assert.ok([...half.initializers.values()].every(({ type }) => type === 'float16'));
  try {
    await optimizeModel(writeModel(unet()), { ...options, target: 'cpu' });
    assert.unreachable();
  } catch (error) {
    assert.match(
      (error as Error).message,
      /precision is "float16", but ONNX Runtime computes in float32 on CPUs/,
    );
  }
});

test('halfPrecision leaves a model whose constants do not fit', () => {
  const graph = graphOf(1, (g, x) => g.addNode('Mul', [x, g.addConstant('big', random([1]))]), 1);
  assert.is.not(halfPrecision(graph), graph);
  (graph.initializers.get('big')!.data as Float32Array)[0] = 1e5;
  assert.is(halfPrecision(graph), graph);
});

test('permuteAxes reverses axes in both directions, and leaves what depends on their order', async () => {
  const graph = unet();
  const turned = permuteAxes(graph);
  assert.equal(turned.inputs[0].dims, ['n', 1, 'c', 'b', 'a']);
  const back = permuteAxes(turned);
  assert.equal((await run(back, [1, 1, 8, 6, 4])).data, (await run(graph, [1, 1, 8, 6, 4])).data);
  assert.ok(
    maxDifference((await run(turned, [1, 1, 4, 6, 8])).data, (await run(graph, [1, 1, 4, 6, 8])).data) > 1e-3,
  );
  const flat = graphOf(1, (g, x) => g.addNode('Flatten', [x]), 1);
  assert.is(permuteAxes(flat), flat);
});

test('a model that takes no such windows is refused in a sentence', async () => {
  const fails = async (graph: Graph, message: RegExp) => {
    try {
      await optimizeModel(writeModel(graph), { target: 'cpu', roiSize: [8, 8, 8] });
      assert.unreachable();
    } catch (error) {
      assert.match((error as Error).message, message);
    }
  };
  const fixed = unet();
  fixed.inputs[0] = { ...fixed.inputs[0], dims: [1, 1, 16, 16, 16] };
  await fails(fixed, /takes windows of \[16, 16, 16\] voxels, not of \[8, 8, 8\]/);
  const flat = new Graph();
  flat.addInput('x', 'float32', [1, 4]);
  flat.addOutput(flat.addNode('Relu', ['x']), 'float32', [1, 4]);
  await fails(flat, /must have one input \[batch, channels, size, size, size\], but it has x \[1, 4\]/);
});

test.run();
