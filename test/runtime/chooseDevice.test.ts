import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '#src/errors.js';
import { chooseDevice } from '#src/runtime/chooseDevice.js';
import type { Gpu } from '#src/runtime/gpus.js';
import type { ProviderTest } from '#src/runtime/testProvider.js';

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

test.run();
