import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chooseDevice } from '#src/runtime/chooseDevice.js';
import { testProvider } from '#src/runtime/testProvider.js';
import { swiftShader, swiftShaderEnv, testNeeding } from '../needs.js';

test('the CPU provider passes its test in a separate process', async () => {
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

testNeeding(swiftShader, 'WebGPU on SwiftShader passes its test, and is not taken for a GPU', async () => {
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
  assert.ok(result.advice.includes('VK_DRIVER_FILES names /none/icd.json, which does not exist.'));
});

test.run();
