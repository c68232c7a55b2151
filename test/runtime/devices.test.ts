import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, OptionError } from '#src/errors.js';
import {
  adviceFor,
  chooseDevice,
  findGpus,
  type Gpu,
  type ProviderTest,
  parseDevice,
  providerConfig,
  testProvider,
} from '#src/runtime/devices.js';
import { temporaryFolder } from '../e2e/harness.js';
import { swiftShader, swiftShaderEnv, testNeeding } from '../needs.js';

const radeon: Gpu = { name: 'AMD GPU', vendor: 'amd', file: '/dev/dri/renderD128', usable: true };
const passed = (provider: string, software = false): ProviderTest => ({
  provider,
  ok: true,
  seconds: { load: 0.1, run: 0.1 },
  gpus: software ? [] : ['AMD GPU'],
  software,
  known: ['cpu', 'webgpu'],
});
const failed = (provider: string): ProviderTest => ({
  provider,
  ok: false,
  why: 'no adapter',
  advice: ['Install its driver.'],
});

const untested = async (provider: string): Promise<ProviderTest> => {
  throw new Error(`${provider} was tested`);
};

test('a device is a provider and the numbers of its devices', () => {
  assert.equal(parseDevice('cpu'), { provider: 'cpu', numbers: [0] });
  assert.equal(parseDevice('cpu:2'), { provider: 'cpu', numbers: [0, 1] });
  assert.equal(parseDevice('cuda:1,3,1'), { provider: 'cuda', numbers: [1, 3] });
  for (const wrong of [
    'gpu',
    'cuda:',
    'cuda:x',
    'cuda:-1',
    'webgpu:0',
    'cpu:0',
    'cpu:1,2',
    'cpu:65',
    '',
    'auto',
    'toString',
  ]) {
    assert.throws(
      () => parseDevice(wrong),
      (error: Error) =>
        error instanceof OptionError && error.message.startsWith(`The device is "${wrong}", but it must be`),
      wrong,
    );
  }
});

test('only a provider with numbered devices is given a number, for the others refuse it', () => {
  assert.equal(providerConfig('cuda', 2), { name: 'cuda', deviceId: 2 });
  assert.is(providerConfig('webgpu', 0), 'webgpu');
  assert.is(providerConfig('cpu', 0), 'cpu');
});

test('GPUs are found by their device files, and named by what the drivers note', () => {
  const root = temporaryFolder();
  const files = {
    'dev/nvidia0': '',
    'dev/nvidiactl': '',
    'dev/dri/renderD128': '',
    'dev/dri/renderD129': '',
    'dev/dri/card0': '',
    'proc/driver/nvidia/gpus/0000:0a:00.0/information': 'Model: \t\t NVIDIA H200\nDevice Minor: \t 0\n',
    'sys/class/drm/renderD128/device/vendor': '0x10de\n',
    'sys/class/drm/renderD129/device/vendor': '0x1002\n',
    'sys/class/drm/renderD129/device/device': '0x744c\n',
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  assert.equal(findGpus(root, 'linux'), [
    { name: 'NVIDIA H200', vendor: 'nvidia', file: '/dev/nvidia0', usable: true },
    { name: 'AMD GPU 0x1002:0x744c', vendor: 'amd', file: '/dev/dri/renderD129', usable: true },
  ]);
  assert.equal(findGpus(temporaryFolder(), 'linux'), []);
  assert.is(findGpus('/', 'darwin').length, 1);
});

test('auto takes the CPU where no GPU shows, and tests nothing', async () => {
  const choice = await chooseDevice('auto', [], untested);
  assert.equal(choice, { device: 'cpu', reason: 'no GPU found' });
});

test('auto takes a GPU whose provider passes its test, and says which', async () => {
  const choice = await chooseDevice('auto', [radeon], async (provider) => passed(provider));
  assert.equal(choice, { device: 'webgpu', reason: 'AMD GPU, which passed its test' });
});

test('auto never takes a software driver, nor a provider that fails; it says why, and takes the CPU', async () => {
  const onSoftware = await chooseDevice('auto', [radeon], async (provider) => passed(provider, true));
  assert.is(onSoftware.device, 'cpu');
  assert.match(
    onSoftware.reason ?? '',
    /^AMD GPU cannot be used: webgpu: a software driver, slower than cpu; /,
  );
  const onFailure = await chooseDevice('auto', [radeon], async (provider) => failed(provider));
  assert.is(onFailure.device, 'cpu');
  assert.match(
    onFailure.reason ?? '',
    /^AMD GPU cannot be used: webgpu: no adapter; "voxstream doctor" says/,
  );
  const locked = await chooseDevice('auto', [{ ...radeon, usable: false }], untested);
  assert.match(
    locked.reason ?? '',
    /^AMD GPU cannot be used: this user may not open \/dev\/dri\/renderD128; /,
  );
});

test('a device that is asked for and fails its test is an error with what to do, never another device', async () => {
  const asked: [string, number][] = [];
  const choice = chooseDevice('cuda:0,1', [radeon], async (provider, number) => {
    asked.push([provider, number]);
    return number === 0 ? passed(provider) : failed(provider);
  });
  const error = await choice.catch((fault) => fault);
  assert.instance(error, ModelError);
  assert.match(
    error.message,
    /^The device cuda:1 failed its test: no adapter\.\nInstall its driver\.\nRun with --device cpu/,
  );
  assert.equal(asked, [
    ['cuda', 0],
    ['cuda', 1],
  ]);
});

test('a device that is asked for may be a software driver, and this is said', async () => {
  const choice = await chooseDevice('webgpu', [], async (provider) => passed(provider, true));
  assert.equal(choice, { device: 'webgpu', reason: 'a software driver, slower than cpu' });
});

test('advice names what is missing and the command that brings it', () => {
  const nvidia: Gpu = { name: 'NVIDIA H200', vendor: 'nvidia', file: '/dev/nvidia0', usable: true };
  const missing = (library: string) => ({ why: `${library}: cannot open shared object file: No such file` });
  assert.equal(adviceFor('cuda', missing('/x/libonnxruntime_providers_shared.so'), [nvidia]), [
    'Fetch the provider, a download of several hundred MB: npm rebuild onnxruntime-node --ignore-scripts=false',
  ]);
  assert.match(
    adviceFor('cuda', missing('libcudnn.so.9'), [nvidia])[0],
    /^libcudnn\.so\.9 is missing: install CUDA 12/,
  );
  assert.match(adviceFor('cuda', { why: '' }, [])[0], /^No NVIDIA GPU shows \(no \/dev\/nvidia0\)/);
  const locked = { ...nvidia, usable: false };
  assert.match(
    adviceFor('cuda', { why: '' }, [locked])[0],
    /^This user may not open \/dev\/nvidia0: add it to/,
  );
  const noBinary = adviceFor('cpu', { why: "Cannot find module '../bin/x/onnxruntime_binding.node'" }, []);
  assert.match(noBinary[0], /^ONNX Runtime's npm package brings no binary that loads on /);
});

test('the CPU provider passes its test in a process of its own', async () => {
  const result = await testProvider('cpu');
  assert.ok(result.ok, JSON.stringify(result));
  assert.ok(result.known.includes('cpu'));
  assert.is(result.software, false);
  assert.equal(result.gpus, []);
});

test('a provider that there is not fails its test with what ONNX Runtime says', async () => {
  const result = await testProvider('nonesuch', 0, []);
  assert.ok(!result.ok);
  assert.match(result.why, /nonesuch.*backend not found$/);
  assert.equal(result.advice, []);
});

testNeeding(swiftShader, 'WebGPU on SwiftShader passes its test, and is told from a GPU', async () => {
  Object.assign(process.env, swiftShaderEnv);
  const result = await testProvider('webgpu', 0, []);
  assert.ok(result.ok, JSON.stringify(result));
  assert.is(result.software, true);
  assert.equal(await chooseDevice('webgpu'), {
    device: 'webgpu',
    reason: 'a software driver, slower than cpu',
  });
});

testNeeding(swiftShader, 'a Vulkan driver file that is not there is named', async () => {
  process.env.VK_DRIVER_FILES = '/none/icd.json';
  const result = await testProvider('webgpu', 0, []);
  assert.ok(!result.ok);
  assert.ok(result.advice.includes('VK_DRIVER_FILES names /none/icd.json, which is not there.'));
});

test.run();
