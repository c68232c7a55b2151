import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { processors } from '#src/machine.js';
import { Graph } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { floats } from '#src/onnx/tensor.js';
import { swiftShader, swiftShaderEnv, testNeeding } from '../needs.js';
import { bandModel, temporaryFolder, voxstream } from './harness.js';

test('doctor tests every provider on this machine, and says what a run takes and what is missing', async () => {
  const { code, stdout, stderr } = await voxstream(['doctor']);
  assert.is(code, 0, stderr);
  assert.match(stdout, /^voxstream \d+\.\d+\.\d+ on this machine\n {2}Node\.js +\d+\.\d+\.\d+\n/);
  assert.match(stdout, /^ {2}processors +\d+ (of \d+ )?x /m);
  assert.match(stdout, /^ {2}memory +[\d.]+ [GT]iB, [\d.]+ [MGT]iB of it free/m);
  assert.match(
    stdout,
    /^ONNX Runtime \d+\.\d+\.\d+, each provider tested by running a model on it\n {2}cpu +works \(loaded in /m,
  );
  assert.match(stdout, /^ {2}device +(cpu|webgpu|cuda|dml)/m);
  assert.match(stdout, new RegExp(`${processors} workers? for voxels and files`));
});

test('doctor tells programs the same', async () => {
  const { code, stdout } = await voxstream(['doctor', '--json'], { VK_DRIVER_FILES: '/none/icd.json' });
  assert.is(code, 0);
  const found = JSON.parse(stdout);
  assert.ok(found.node.enough);
  assert.ok(found.memory.usable <= found.memory.machine && found.memory.free > 0);
  assert.ok([1, 4, 8, 16].includes(found.processors.channelBlock), `${found.processors.channelBlock}`);
  const providers = new Map<string, { ok: boolean }>(
    found.onnxRuntime.providers.map((one: { provider: string }) => [one.provider, one]),
  );
  assert.is(providers.get('cpu')?.ok, true);
  for (const [name, result] of providers) assert.is(typeof result.ok, 'boolean', name);
});

testNeeding(swiftShader, 'doctor tells a software driver from a GPU, and auto does not pick it', async () => {
  const { stdout } = await voxstream(['doctor'], swiftShaderEnv);
  assert.match(stdout, /^ {2}webgpu +works in software, slower than cpu \(loaded in /m);
  assert.match(stdout, /^ {2}device +cpu: no GPU found$/m);
});

/** A dataset of one small phantom, and a pipeline that runs a model on it and stores what comes out. */
async function writePipeline(model: string): Promise<{ pipeline: string; output: string }> {
  const folder = temporaryFolder();
  const data = join(folder, 'data');
  const made = await voxstream(['synth', data, '--cases', '1', '--test', '0', '--size', '24,24,24']);
  assert.is(made.code, 0, made.stderr);
  const pipeline = join(folder, 'pipeline.yaml');
  const output = join(folder, 'out');
  writeFileSync(
    pipeline,
    `output: ${output}
source: { decathlon: { root: ${data}, split: train } }
steps:
  - load
  - scaleIntensityRange: { aMin: -57, aMax: 164, bMin: 0, bMax: 1, clip: true }
  - inference: { model: ${model}, roiSize: [16, 16, 16] }
sinks:
  - nifti: { keys: pred }
`,
  );
  return { pipeline, output };
}

test('a run says at start which device auto picked, and why', async () => {
  const { pipeline } = await writePipeline(bandModel);
  const { code, stderr } = await voxstream(['run', pipeline]);
  assert.is(code, 0, stderr);
  assert.match(
    stderr,
    /device (cpu \(no GPU found\)|\w+ \(.+, which passed its test\)|cpu \(.+ cannot be used: )/,
  );
});

test('a device that fails its test stops a run before it starts, with what to do', async () => {
  const { pipeline, output } = await writePipeline(bandModel);
  const { code, stderr } = await voxstream(['run', pipeline, '--device', 'webgpu'], {
    VK_DRIVER_FILES: '/none/icd.json',
    VK_ICD_FILENAMES: '/none/icd.json',
  });
  assert.is(code, 1);
  assert.match(
    stderr,
    /The device webgpu failed its test: .*\n(.*\n)*Run with --device cpu, or see "voxstream doctor"/,
  );
  assert.not.ok(existsSync(join(output, 'metrics.csv')));
});

testNeeding(
  swiftShader,
  'a model that a provider cannot run stops a run at its start, and nothing falls back in silence',
  async () => {
    // The passes leave a transposed convolution with dilations as it is, and WebGPU has none in 3D.
    const graph = new Graph();
    graph.addInput('image', 'float32', ['n', 1, 'x', 'y', 'z']);
    const weight = graph.addConstant('weight', floats([1, 2, 3, 3, 3], new Float32Array(54).fill(0.1)));
    const attributes = { pads: [2, 2, 2, 2, 2, 2], dilations: [2, 2, 2] };
    const up = graph.addNode('ConvTranspose', ['image', weight], attributes);
    graph.addOutput(up, 'float32', ['n', 2, 'x', 'y', 'z']);
    const model = join(temporaryFolder(), 'dilated.onnx');
    writeFileSync(model, writeModel(graph));
    const { pipeline } = await writePipeline(model);
    const { code, stderr } = await voxstream(['run', pipeline, '--device', 'webgpu'], {
      ...swiftShaderEnv,
    });
    assert.is(code, 1, stderr);
    assert.match(stderr, /dilated\.onnx|\.onnx failed on webgpu: .*It was not run on another device instead/);
    assert.match(stderr, /It was not run on another device instead: give --device cpu/);
  },
);

test.run();
