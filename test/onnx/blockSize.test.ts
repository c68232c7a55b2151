import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { channelBlock, findOrt, probeModel } from '#src/onnx/blockSize.js';
import { Graph } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { ortHere, reportOrt } from '#src/onnx/ortHere.js';
import { nchwc } from '#src/onnx/slices/values.js';

test('the written-out probe is one ReorderInput', () => {
  const graph = new Graph({ domains: { [nchwc]: 1 } });
  graph.addInput('x', 'float32', [1, 16, 1, 2]);
  graph.addOutput(graph.addNode('ReorderInput', ['x'], {}, { domain: nchwc }), 'float32', [1, 16, 1, 2]);
  assert.is(probeModel, Buffer.from(writeModel(graph)).toString('base64'));
});

test('channelBlock gives 1, or a block that ONNX Runtime has', async () => {
  assert.ok([1, 4, 8, 16].includes(await channelBlock()));
});

test('a thread takes what another one found out', async () => {
  assert.equal(await ortHere(), await findOrt());
  const reported = { block: 4, versions: { node: '1.2.3' } };
  reportOrt(reported);
  assert.is(await ortHere(), reported);
});

test.run();
