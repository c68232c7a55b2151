import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { listNames, ModelError } from '../errors.js';
import { parseDevice } from './device.js';
import { findGpus, type Gpu } from './gpus.js';
import { type ProviderTest, testProvider } from './testProvider.js';

/** The device that models run on. */
export interface DeviceChoice {
  /** In the form that `parseDevice` reads. */
  readonly device: string;
  /** Why `auto` chose it, or which GPU it is: a clause. */
  readonly reason?: string;
}

/**
 * The providers that `auto` tries, fastest first. TensorRT is not tried: it compiles each model for minutes.
 */
const autoOrder = ['cuda', 'webgpu', 'dml'];

/**
 * Chooses the device that models run on.
 *
 * `auto` takes the first of CUDA, WebGPU and DirectML that has a GPU on this machine and passes its test,
 * else the CPU. It never takes software drivers, and without a GPU it starts no test. A provider that was
 * asked for by name is tested too; if it fails, no other device takes its place.
 *
 * @param wish The device that was asked for.
 * @param test Tests a provider.
 * @throws OptionError for an unknown device; ModelError, saying what to do, when the requested device fails
 * its test.
 */
export async function chooseDevice(
  wish: string,
  gpus: readonly Gpu[] = findGpus(),
  test: (provider: string, number: number) => Promise<ProviderTest> = (provider, number) =>
    testProvider(provider, number, [...gpus]),
): Promise<DeviceChoice> {
  if (/^cpu(:|$)/.test(wish)) {
    parseDevice(wish);
    return { device: wish };
  }
  if (wish !== 'auto') return testRequested(wish, test);
  if (gpus.length === 0) return { device: 'cpu', reason: 'no GPU found' };
  const faults: string[] = [];
  for (const provider of autoOrder.filter((name) => isAvailable(name, gpus))) {
    const result = await test(provider, 0);
    if (result.ok && !result.software) {
      return { device: provider, reason: `${listNames(result.gpus)}, which passed its test` };
    }
    faults.push(`${provider}: ${result.ok ? 'a software driver, slower than cpu' : result.why}`);
  }
  const found = listNames(gpus.map(({ name }) => name));
  const locked = gpus.filter(({ usable }) => !usable).map(({ file }) => file ?? '');
  if (locked.length > 0) faults.push(`this user may not open ${listNames(locked)}`);
  const tried = faults.length > 0 ? faults.join('; ') : 'no provider for it is installed';
  return { device: 'cpu', reason: `${found} cannot be used: ${tried}; "voxstream doctor" says what to do` };
}

/** Whether a provider's files and a GPU for it exist, checked without starting anything. */
function isAvailable(provider: string, gpus: readonly Gpu[]): boolean {
  if (provider === 'dml') return process.platform === 'win32';
  if (provider === 'webgpu') return gpus.some(({ usable }) => usable);
  return gpus.some(({ vendor, usable }) => vendor === 'nvidia' && usable) && existsSync(cudaLibrary());
}

/** Where ONNX Runtime's install script puts the CUDA provider. */
function cudaLibrary(): string {
  const main = createRequire(import.meta.url).resolve('onnxruntime-node');
  const folder = join(dirname(main), '../bin/napi-v6', process.platform, process.arch);
  return join(folder, 'libonnxruntime_providers_cuda.so');
}

async function testRequested(
  wish: string,
  test: (provider: string, number: number) => Promise<ProviderTest>,
): Promise<DeviceChoice> {
  const { provider, numbers } = parseDevice(wish);
  const results = await Promise.all(numbers.map((number) => test(provider, number)));
  for (const [i, result] of results.entries()) {
    if (result.ok) continue;
    const device = numbers.length > 1 ? `${provider}:${numbers[i]}` : wish;
    throw new ModelError(
      [
        `The device ${device} failed its test: ${result.why}.`,
        ...result.advice,
        'Run with --device cpu, or see "voxstream doctor" for what this machine offers.',
      ].join('\n'),
    );
  }
  const software = results.some((result) => result.ok && result.software);
  const names = results.flatMap((result) => (result.ok ? result.gpus : []));
  if (software) return { device: wish, reason: 'a software driver, slower than cpu' };
  return { device: wish, ...(names.length > 0 && { reason: listNames([...new Set(names)]) }) };
}
