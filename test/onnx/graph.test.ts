import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { consumers, floatOf, intsOf, onlyConsumer, producers, prune, rewriteNodes } from '#src/onnx/edit.js';
import { Graph } from '#src/onnx/graph.js';
import { readModel, writeModel } from '#src/onnx/modelFile.js';
import * as ort from '#src/onnx/ort.js';
import { floats, int64s } from '#src/onnx/tensor.js';
import { shared, sharedPath, testNeeding } from '../needs.js';

/** y = LeakyRelu(x + 1), and a node nobody needs. */
function small(): Graph {
  const graph = new Graph({ name: 'small', metadata: { from: 'a test' } });
  const x = graph.addInput('x', 'float32', ['n', 2]);
  const one = graph.addInitializer('one', floats([1], [1]));
  const sum = graph.addNode('Add', [x, one], {}, { name: 'sum' });
  graph.addNode('Neg', [sum], {}, { name: 'unused' });
  const y = graph.addNode('LeakyRelu', [sum], { alpha: { float: 0.5 } }, { outputs: ['y'] });
  graph.addOutput(y, 'float32', ['n', 2]);
  return graph;
}

async function run(graph: Graph, x: number[]): Promise<number[]> {
  const session = await ort.InferenceSession.create(writeModel(graph));
  const result = await session.run({ x: new ort.Tensor('float32', x, [x.length / 2, 2]) });
  return Array.from(result['y'].data as Float32Array);
}

test('a graph made in code runs in ONNX Runtime', async () => {
  assert.equal(await run(small(), [1, -3, 0, -1.5]), [2, -1, 1, -0.25]);
});

test('a written model reads back as the same graph', () => {
  const graph = small();
  graph.addNode('Reshape', ['sum', graph.addConstant('shape', int64s([-1]))], {}, { name: 'flat' });
  graph.addNode('Transpose', ['sum'], { perm: [1, 0], note: 'text', list: { floats: [0.5, 1] } });
  const back = readModel(writeModel(graph));
  assert.equal(back.nodes, graph.nodes);
  assert.equal([...back.initializers], [...graph.initializers]);
  assert.equal(back.inputs, graph.inputs);
  assert.equal(back.outputs, graph.outputs);
  assert.equal(back.metadata, { from: 'a test' });
  assert.is(back.opset, 17);
});

testNeeding(shared('models/spleen_demo'), 'the spleen model is read, written and read the same', () => {
  const bytes = readFileSync(sharedPath('models/spleen_demo/model.onnx'));
  const graph = readModel(bytes, 'model.onnx');
  assert.is(graph.nodes.filter((node) => node.op === 'Conv').length, 19);
  assert.equal(graph.inputs, [{ name: 'image', type: 'float32', dims: ['n', 1, 'x', 'y', 'z'] }]);
  assert.equal(intsOf(graph.nodes[0], 'strides', []), [2, 2, 2]);
  assert.equal(readModel(writeModel(graph)).nodes, graph.nodes);
});

test('a file that is not a model, or names its values wrongly, is refused in a sentence', () => {
  assert.throws(
    () => readModel(new Uint8Array([1, 2, 3]), 'bad.onnx'),
    /^bad\.onnx cannot be read as an ONNX model/,
  );
  assert.throws(() => readModel(new Uint8Array(), 'empty.onnx'), /empty\.onnx .* it holds no graph/);
  const graph = small();
  graph.addNode('Neg', ['nothing']);
  assert.throws(
    () => writeModel(graph),
    /The node Neg \(Neg\) uses "nothing", which nothing before it makes/,
  );
  assert.throws(() => graph.addInitializer('one', floats([1], [2])), /has a value "one" already/);
  const twice = small();
  twice.addNode('Neg', ['x'], {}, { outputs: ['y'] });
  assert.throws(() => writeModel(twice), /Two nodes make the value "y"/);
  const half = small();
  half.addNode('LeakyRelu', ['x'], { axis: 0.5 });
  assert.throws(() => writeModel(half), /write \{ float: 0.5 \}/);
});

test('producers and consumers follow values, and prune drops what nobody needs', () => {
  const graph = small();
  assert.is(producers(graph).get('y')?.op, 'LeakyRelu');
  assert.equal(
    consumers(graph)
      .get('sum')
      ?.map(({ op }) => op),
    ['Neg', 'LeakyRelu'],
  );
  const pruned = prune(graph);
  assert.equal(
    pruned.nodes.map(({ op }) => op),
    ['Add', 'LeakyRelu'],
  );
  assert.is(onlyConsumer(pruned, consumers(pruned), 'sum')?.op, 'LeakyRelu');
  assert.is(onlyConsumer(pruned, consumers(pruned), 'y'), undefined);
  assert.is(graph.nodes.length, 3, 'the graph itself stays');
});

test('rewriteNodes puts nodes in the place of another and leaves the graph it was given', async () => {
  const graph = small();
  const changed = rewriteNodes(graph, (node, copy) => {
    if (node.op !== 'LeakyRelu') return false;
    const slope = copy.addConstant('slope', floats([1], [floatOf(node, 'alpha', 0.01)]));
    copy.addNode('PRelu', [node.inputs[0], slope], {}, { outputs: node.outputs });
    return true;
  });
  assert.equal(await run(changed, [1, -3]), await run(graph, [1, -3]));
  assert.is(graph.nodes[2].op, 'LeakyRelu');
});

test('free names are free', () => {
  const graph = small();
  assert.is(graph.freeName('new'), 'new');
  assert.is(graph.addConstant('one', floats([1], [2])), 'one_1');
  assert.is(graph.addNode('Neg', ['x']), 'Neg');
  assert.is(graph.addNode('Neg', ['x']), 'Neg_1');
});

test.run();
