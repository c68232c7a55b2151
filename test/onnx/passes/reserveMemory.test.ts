import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { reserveMemory } from '#src/onnx/passes/reserveMemory.js';
import { graphOf, ops, random } from '../models.js';
import { largestDifference, runGraph } from '../runGraph.js';

const dims = [1, 2, 4, 4, 4];
const graph = graphOf(2, (g, x) => g.addNode('Relu', [g.addNode('Neg', [x])]), 2);
const [neg, relu] = graph.nodes.map(({ outputs }) => outputs[0]);

/** Sizes as if the values had this many bytes. */
const sized = (bytes: number, input: readonly number[] = dims) =>
  new Map([
    [graph.inputs[0].name, input],
    [neg, [1, bytes / 4]],
    [relu, [1, bytes / 4]],
  ]);

test('reserveMemory puts nodes before the others that do not change the output', async () => {
  const reserved = reserveMemory(graph, sized(64 * 2 ** 20));
  assert.equal(ops(reserved), ['Expand', 'Concat', 'Slice', 'Concat', 'Neg', 'Relu']);
  const input = random(dims, 1);
  const [found, expected] = [await runGraph(reserved, input), await runGraph(graph, input)];
  assert.equal(found.dims, expected.dims);
  assert.is(largestDifference(found.data as Float32Array, expected.data as Float32Array), 0);
});

test('reserveMemory leaves graphs alone that are small or take several windows', () => {
  assert.is(reserveMemory(graph, sized(32 * 2 ** 20)), graph);
  assert.is(reserveMemory(graph, sized(64 * 2 ** 20, [2, 2, 4, 4, 4])), graph);
});

test.run();
