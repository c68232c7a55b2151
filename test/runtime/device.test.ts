import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionError } from '#src/errors.js';
import { parseDevice, providerConfig } from '#src/runtime/device.js';

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

test.run();
