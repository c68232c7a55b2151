import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '#src/errors.js';
import { processors } from '#src/machine.js';
import { openModel } from '#src/models/openModel.js';
import { Graph } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { floats } from '#src/onnx/tensor.js';
import { deviceSessions, spareSessions } from '#src/runtime/deviceSessions.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { endEarly, endThreads, startEarly, startSessionThreads } from '#src/runtime/sessionThread.js';
import { allocate, makeVolume, type Vec3 } from '#src/volume/volume.js';
import { temporaryFolder } from '../e2e/harness.js';
import { swiftShader, swiftShaderEnv, testNeeding } from '../needs.js';

Object.assign(process.env, swiftShaderEnv);

/**
 * A model file whose one channel goes through a 3x3x3 convolution, or its transpose, and one more operation.
 */
function modelFile(convolution: 'Conv' | 'ConvTranspose', last: string): string {
  const graph = new Graph();
  const image = graph.addInput('image', 'float32', ['n', 1, 'x', 'y', 'z']);
  const weight = graph.addConstant('weight', floats([1, 1, 3, 3, 3], new Float32Array(27).fill(1)));
  const features = graph.addNode(convolution, [image, weight], { pads: [1, 1, 1, 1, 1, 1] });
  graph.addOutput(graph.addNode(last, [features]), 'float32', ['n', 1, 'x', 'y', 'z']);
  const file = join(temporaryFolder(), 'small.onnx');
  writeFileSync(file, writeModel(graph));
  return file;
}

test('a CPU gets one session per processor, up to eight, and all processors; WebGPU one session', () => {
  const onCpu = deviceSessions('cpu');
  assert.is(onCpu.length, Math.min(processors, 8));
  assert.ok(onCpu.every(({ threads }) => threads === Math.max(1, Math.floor(processors / onCpu.length))));
  assert.equal(
    deviceSessions('webgpu', {}, 64).map(({ providers }) => providers),
    [['webgpu']],
  );
});

test('a GPU of CUDA gets a session for every four processors, up to four', () => {
  const numbers = (device: string, cores: number, outputBytes = 0) =>
    deviceSessions(device, { outputBytes }, cores).map(({ providers: [provider] }) =>
      typeof provider === 'object' && 'deviceId' in provider ? provider.deviceId : undefined,
    );
  assert.equal(numbers('cuda:0,2', 2), [0, 2]);
  assert.equal(numbers('cuda', 8), [0, 0]);
  assert.equal(numbers('cuda', 64), [0, 0, 0, 0]);
  assert.equal(numbers('cuda:0,2', 16), [0, 0, 2, 2]);
  assert.equal(numbers('cuda', 64, 105 * 96 ** 3 * 4), [0]);
});

test('threads that start early are the next model’s, and those that it does not need end', async () => {
  startEarly();
  const [first, ...others] = startSessionThreads('cpu:1');
  assert.is(others.length, 0);
  await endEarly();
  await first.ready;
  assert.not(first.ended);
  await endThreads([first]);
  assert.ok(first.ended);
});

test('sessions beyond the first of a GPU may fail for lack of memory', () => {
  const sessions = deviceSessions('cuda:0,2', {}, 16);
  assert.equal(spareSessions(sessions, [1, 3]), [1, 3]);
  assert.equal(spareSessions(sessions, [0, 2, 3]), [3]);
});

test('models of many classes get fewer sessions on a CPU, unless their number is given', () => {
  const classes = 105 * 96 ** 3 * 4;
  const sessions = (outputBytes: number, device = 'cpu') => deviceSessions(device, { outputBytes });
  assert.is(sessions(classes).length, 1);
  assert.is(sessions(classes)[0].threads, processors);
  assert.is(sessions(1e12).length, 1);
  assert.is(sessions(2 * 96 ** 3 * 4).length, deviceSessions('cpu').length);
  assert.is(sessions(classes, 'cpu:3').length, 3);
});

test('wide models get fewer sessions on a CPU, of all threads, where memory is small', () => {
  const sessions = (sessionBytes: number, memory: number) =>
    deviceSessions('cpu', { sessionBytes }, 4, memory).map(({ threads }) => threads);
  assert.equal(sessions(100e6, 8e9), [1, 1, 1, 1]);
  assert.equal(sessions(500e6, 8e9), [2, 2]);
  assert.equal(sessions(900e6, 8e9), [4]);
  assert.equal(sessions(900e6, 256e9), [1, 1, 1, 1]);
});

test('TensorRT leaves what it does not take to CUDA', () => {
  assert.equal(deviceSessions('tensorrt:1')[0].providers, [
    { name: 'tensorrt', deviceId: 1 },
    { name: 'cuda', deviceId: 1 },
  ]);
});

testNeeding(swiftShader, 'a model runs on WebGPU, and the runtime says on what', async () => {
  const runtime = createRuntime({ device: 'webgpu', workers: 1 });
  const { model } = await openModel(runtime, modelFile('Conv', 'Relu'));
  assert.is(await model.outputChannels([4, 5, 6], 1), 1);
  assert.is(model.partlyOnCpu, false);
  assert.is(runtime.device, 'webgpu');
  assert.is(runtime.deviceNote, 'a software driver, slower than cpu');
  await runtime.close();
});

testNeeding(swiftShader, 'operations that a GPU leaves to the CPU are reported', async () => {
  const runtime = createRuntime({ device: 'webgpu', workers: 1 });
  const { model } = await openModel(runtime, modelFile('Conv', 'Shrink'));
  assert.is(await model.outputChannels([4, 5, 6], 1), 1);
  assert.is(model.partlyOnCpu, true);
  assert.match(runtime.deviceNote ?? '', /; some operations of small run on the CPU$/);
  await runtime.close();
});

testNeeding(
  swiftShader,
  'a model that fails on a GPU is an error that names the provider and what to do',
  async () => {
    const runtime = createRuntime({ device: 'webgpu', workers: 1 });
    const file = modelFile('ConvTranspose', 'Relu');
    const { model } = await openModel(runtime, file);
    const error = await model.outputChannels([4, 4, 4], 1).catch((fault) => fault);
    assert.instance(error, ModelError);
    assert.ok(error.message.startsWith(`The model ${file} failed on webgpu: `), error.message);
    assert.match(error.message, /ConvTranspose.*It was not run on another device instead: give --device cpu/);
    await runtime.close();
  },
);

test('on the CPU a model runs in full, and there is nothing to add', async () => {
  const runtime = createRuntime({ device: 'cpu', workers: 1 });
  const { model } = await openModel(runtime, modelFile('ConvTranspose', 'Relu'));
  assert.is(await model.outputChannels([4, 4, 4], 1), 1);
  assert.is(runtime.device, 'cpu');
  assert.is(runtime.deviceNote, undefined);
  await runtime.close();
});

test('several volumes given to a model at once come out as one by one, and each tells when its windows are taken', async () => {
  const runtime = createRuntime({ device: 'cpu', workers: 1 });
  const { model } = await openModel(runtime, modelFile('Conv', 'Relu'));
  const settings = {
    roiSize: [4, 4, 4] as Vec3,
    overlap: [0.5, 0.5, 0.5] as Vec3,
    mode: 'gaussian' as const,
    sigmaScale: [0.125, 0.125, 0.125] as Vec3,
    paddingMode: 'constant' as const,
    cval: 0,
  };
  const volumes = (
    [
      [9, 8, 7],
      [3, 4, 5],
      [11, 4, 6],
    ] as Vec3[]
  ).map((size, n) => {
    const data = allocate('float32', size[0] * size[1] * size[2]);
    for (let i = 0; i < data.length; i++) data[i] = Math.sin(i + n);
    return makeVolume({ data, size });
  });
  let drained = 0;
  const together = await Promise.all(
    volumes.map((volume) =>
      model.infer(volume, settings, 1, {
        onDrained: () => {
          drained++;
        },
      }),
    ),
  );
  // Each session tells it.
  assert.is(drained, volumes.length * model.sessions);
  for (const [n, volume] of volumes.entries()) {
    const alone = await model.infer(volume, settings, 1);
    assert.equal(together[n].data, alone.data);
  }
  await runtime.close();
});

test('a file that is not an ONNX model is refused in a sentence', async () => {
  const runtime = createRuntime({ device: 'cpu', workers: 1 });
  const file = join(temporaryFolder(), 'junk.onnx');
  writeFileSync(file, 'junk');
  const error = await openModel(runtime, file).catch((fault) => fault);
  assert.instance(error, ModelError);
  assert.is(
    error.message,
    `The model ${file} is not an ONNX file, or it is damaged. Copy or download it again.`,
  );
  await runtime.close();
});

test.run();
