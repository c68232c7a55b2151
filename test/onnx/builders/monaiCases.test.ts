import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildNetwork } from '#src/onnx/builders/buildNetwork.js';
import { networks } from '#src/onnx/builders/networks/index.js';
import { withMonaiVersion } from '#src/onnx/builders/withMonaiVersion.js';
import { parseCheckpoint } from '#src/onnx/checkpoint/readCheckpoint.js';
import { readModel, writeModel } from '#src/onnx/modelFile.js';
import { optimizeModel } from '#src/onnx/optimize.js';
import { shared, sharedPath, testNeeding } from '../../needs.js';
import { parseNpy } from '../npy.js';
import { kept, largestDifference, repeated, runGraph } from '../runGraph.js';

/**
 * Networks with random weights, an input, and the output of MONAI (`monai` in the configuration is its
 * version), of which every few voxels are kept.
 */
const folder = fileURLToPath(new URL('../../../../test/fixtures/networks/monai/', import.meta.url));

interface Told {
  readonly network: { readonly type: string };
  readonly monai: string;
  readonly input: { readonly shape: number[]; readonly repeat?: number };
  readonly tolerance: number;
  readonly kept?: { readonly start: number; readonly step: number };
}

async function check(told: Told, files: { model: Uint8Array; input: Buffer; output: Buffer }): Promise<void> {
  const { type, ...given } = told.network;
  const { config } = withMonaiVersion({ type, config: given }, { given: told.monai });
  const [, , x, y, z] = told.input.shape;
  const graph = buildNetwork(type, config, parseCheckpoint(files.model, 'model.pt'), { size: [x, y, z] });
  const input = repeated(parseNpy(files.input), told.input.repeat ?? 1);
  assert.equal(input.dims, told.input.shape);
  const output = await runGraph(graph, input);
  const expected = parseNpy(files.output).data as Float32Array;
  const worst = largestDifference(kept(output, told.kept), expected);
  assert.ok(worst <= told.tolerance, `the largest difference is ${worst}`);
  const form = await optimizeModel(writeModel(graph), { target: 'cpu', roiSize: [x, y, z] });
  const formOutput = await runGraph(readModel(form.bytes), input);
  const worstOfForm = largestDifference(kept(formOutput, told.kept), expected);
  assert.ok(worstOfForm <= told.tolerance, `the largest difference of the form for cpu is ${worstOfForm}`);
}

for (const name of readdirSync(folder)) {
  test(`${name} gives the output of MONAI`, async () => {
    const read = (file: string) => gunzipSync(readFileSync(`${folder}${name}/${file}.gz`));
    const told = JSON.parse(readFileSync(`${folder}${name}/config.json`, 'utf8'));
    await check(told, { model: read('model.pt'), input: read('input.npy'), output: read('output.npy') });
  });
}

/** Networks whose weights are too large for the repository. */
const large = [
  ...[
    'basicunetplusplus_deconv',
    'dints_zoo',
    'flexibleunet_b0',
    'swinunetr_v1_monai132',
    'swinunetr_v1_monai150',
  ],
  ...['swinunetr_v2_merging2', 'swinunetr_window5', 'unetr_conv', 'unetr_perceptron'],
];

for (const name of large) {
  testNeeding(shared(`networks/${name}`), `${name} gives the output of MONAI`, async () => {
    const root = sharedPath(`networks/${name}`);
    const { checkpoint, tolerance, output, ...told } = JSON.parse(
      readFileSync(join(root, 'config.json'), 'utf8'),
    );
    await check(
      { ...told, tolerance: tolerance.advice, kept: output.kept },
      {
        model: readFileSync(join(root, checkpoint)),
        input: readFileSync(join(root, told.input.file)),
        output: readFileSync(join(root, output.file)),
      },
    );
  });
}

test("every network's example is a configuration of it", () => {
  for (const { name, example, configure } of networks) assert.equal(configure(example).faults, [], name);
});

test.run();
