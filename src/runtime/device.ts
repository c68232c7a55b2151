import type { InferenceSession } from 'onnxruntime-node';
import { listNames, OptionError } from '../errors.js';

/** The execution providers besides `cpu`, and whether a number selects one of several devices. */
const gpuProviders: ReadonlyMap<string, { readonly numbered: boolean }> = new Map([
  ['cuda', { numbered: true }],
  ['tensorrt', { numbered: true }],
  ['webgpu', { numbered: false }],
  ['coreml', { numbered: false }],
  ['dml', { numbered: true }],
]);

/** The largest N of `cpu:N`. */
const mostCpuSessions = 64;

/**
 * Parses a device, e.g. `cpu`, `cpu:2`, `cuda` or `cuda:0,1`: an execution provider, and the numbers of its
 * devices (default: 0). For `cpu:N`, N is the number of sessions that share the processors.
 *
 * @throws OptionError for any other text.
 */
export function parseDevice(device: string): { provider: string; numbers: number[] } {
  const [, provider, list] = /^(\w+)(?::(\d+(?:,\d+)*))?$/.exec(device) ?? [];
  if (provider === 'cpu') {
    const count = Number(list ?? 1);
    if (count >= 1 && count <= mostCpuSessions)
      return { provider, numbers: Array.from({ length: count }, (_, i) => i) };
  }
  const known = gpuProviders.get(provider);
  if (!known || (list && !known.numbered)) {
    const all = [...gpuProviders.keys()];
    const numbered = all.filter((name) => gpuProviders.get(name)?.numbered);
    throw new OptionError(
      `The device is "${device}", but it must be auto, cpu, ${listNames(all, 'or')}. ` +
        `${listNames(numbered)} accept device numbers after a colon (cuda:0,1), cpu a number of sessions ` +
        `(cpu:2, at most ${mostCpuSessions}).`,
    );
  }
  return { provider, numbers: [...new Set((list ?? '0').split(',').map(Number))] };
}

/**
 * A provider for ONNX Runtime. Providers without numbered devices refuse a number, so it is left out for
 * them.
 */
export function providerConfig(provider: string, number: number): InferenceSession.ExecutionProviderConfig {
  const numbered = { name: provider, deviceId: number };
  return gpuProviders.get(provider)?.numbered ? numbered : provider;
}
