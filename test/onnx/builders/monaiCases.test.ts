import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildNetwork } from '#src/onnx/builders/buildNetwork.js';
import type { Axes } from '#src/onnx/builders/config.js';
import { networks } from '#src/onnx/builders/networks/index.js';
import { parseCheckpoint } from '#src/onnx/checkpoint/readCheckpoint.js';
import { parseNpy } from '../npy.js';
import { kept, largestDifference, repeated, runGraph } from '../runGraph.js';

/**
 * Networks with random weights, an input, and the output of MONAI (`monai` in the configuration is its version), of which
 * every few voxels are kept.
 */
const folder = fileURLToPath(new URL('../../../../test/fixtures/networks/monai/', import.meta.url));

for (const name of readdirSync(folder)) {
  test(`${name} gives the output of MONAI`, async () => {
    const read = (file: string) => gunzipSync(readFileSync(`${folder}${name}/${file}.gz`));
    const told = JSON.parse(readFileSync(`${folder}${name}/config.json`, 'utf8'));
    const { type, ...config } = told.network;
    const dims: number[] = told.input.shape;
    const size = dims.slice(2) as unknown as Axes;
    const graph = buildNetwork(type, config, parseCheckpoint(read('model.pt'), name), { size });
    const input = repeated(parseNpy(read('input.npy')), told.input.repeat ?? 1);
    assert.equal(input.dims, dims);
    const output = await runGraph(graph, input);
    const expected = parseNpy(read('output.npy')).data as Float32Array;
    const worst = largestDifference(kept(output, told.kept), expected);
    assert.ok(worst <= told.tolerance, `the largest difference is ${worst}`);
  });
}

test("every network's example is a configuration of it", () => {
  for (const { name, example, configure } of networks) assert.equal(configure(example).faults, [], name);
});

test.run();
