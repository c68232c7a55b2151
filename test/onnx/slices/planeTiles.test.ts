import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { convConstants } from '#src/onnx/edit.js';
import { Graph } from '#src/onnx/graph.js';
import { kernelOf } from '#src/onnx/slices/filters.js';
import { planeTileConv, planeTilesPay } from '#src/onnx/slices/planeTiles.js';
import { blockedOf, nchwc, planarOf, SliceWriter } from '#src/onnx/slices/values.js';
import { numbersOf } from '#src/onnx/tensor.js';
import { unblocked } from '../blocked.js';
import { assertSame, conv, graphOf, leakyRelu } from '../models.js';

const channels = [20, 36] as const;

/** The one convolution of a graph, with the activation behind it, by `planeTileConv`. */
function tiled(given: Graph, block: number, [depth, height, width]: readonly number[], pads: number[]) {
  const graph = new Graph({ domains: { [nchwc]: 1 } });
  const writer = new SliceWriter(graph, block, 6);
  const x = graph.addInput('x', 'float32', ['n', channels[0], depth, height, width]);
  const ahead = graph.addNode('Transpose', [x], { perm: [0, 2, 1, 3, 4] });
  const input = blockedOf(writer, {
    name: writer.reshape(ahead, [-1, channels[0], height, width]),
    ...{ layout: 'planar', channels: channels[0], size: [depth, height, width] },
  });
  const { weight, bias } = convConstants(given, given.nodes[0], 'Conv')!;
  const size = [depth, height, width].map((n, axis) => n + pads[axis] + pads[axis + 3] - 2);
  const made = planeTileConv(
    writer,
    input,
    {
      ...{ kernel: kernelOf(weight), bias: numbersOf(bias!), pads, strides: [1, 1, 1], dilations: [1, 1, 1] },
      activation: { activation: 'LeakyRelu', activation_params: { floats: [0.2] } },
    },
    [size[0], size[1], size[2]],
  );
  const planes = writer.reshape(planarOf(writer, made), [-1, size[0], channels[1], size[1], size[2]]);
  const whole = graph.addNode('Transpose', [planes], { perm: [0, 2, 1, 3, 4] });
  graph.addOutput(whole, 'float32', ['n', channels[1], ...size]);
  return graph;
}

test('tiles of slices and rows give the same as a convolution, at borders and with any padding', async () => {
  const kinds: [size: number[], pads: number[]][] = [
    [
      [6, 6, 6],
      [1, 1, 1, 1, 1, 1],
    ],
    [
      [5, 8, 4],
      [0, 2, 1, 2, 0, 0],
    ],
  ];
  for (const [size, pads] of kinds) {
    const plain = graphOf(channels[0], (g, x) => leakyRelu(g, conv(g, x, channels, { pads })), channels[1]);
    for (const block of [8, 16]) {
      const graph = tiled(plain, block, size, pads);
      const dims = [2, channels[0], ...size];
      await assertSame(unblocked(graph, block, { x: dims }), plain, dims, 3e-6);
    }
  }
});

test('they are for small slices, and pay where they save more than their filters cost', () => {
  const pays = (count: number, size: readonly [number, number, number], most: number, bytePrice = 0) => {
    const writer = new SliceWriter(new Graph(), 16, 6, false, undefined, bytePrice);
    const input = { name: 'x', layout: 'blocked', channels: count, size } as const;
    const kernel = { inputs: count, outputs: count, size: [3, 3, 3] } as const;
    const task = { kernel, strides: [1, 1, 1], dilations: [1, 1, 1] };
    return planeTilesPay(writer, [input], task, size, most);
  };
  const deep = [6, 6, 6] as const;
  const direct = 27 * 256 ** 2 * 6 ** 3;
  assert.ok(pays(256, deep, 0.65 * direct));
  assert.not.ok(pays(256, deep, 0.5 * direct));
  assert.not.ok(pays(256, deep, 0.65 * direct, 20), 'the filters take more memory than those of the depth');
  assert.not.ok(pays(16, [48, 48, 48], Number.POSITIVE_INFINITY));
});

test.run();
