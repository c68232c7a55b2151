import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { listNames, ModelError, OptionError } from '../errors.js';
import { read } from '../machine.js';
import { askChild } from './askChild.js';
import type { ProviderReply } from './providerTest.js';

/** The execution providers besides `cpu` that a device can name, and whether a number can pick one of several devices. */
const gpuProviders: ReadonlyMap<string, { readonly numbered: boolean }> = new Map([
  ['cuda', { numbered: true }],
  ['tensorrt', { numbered: true }],
  ['webgpu', { numbered: false }],
  ['coreml', { numbered: false }],
  ['dml', { numbered: true }],
]);

/** Most replicas that `cpu:N` may ask for. */
const mostReplicas = 64;

/**
 * Reads a device such as `cpu`, `cpu:2`, `cuda` or `cuda:0,1`: an execution provider, and the numbers of its devices (0
 * where none is given). Behind `cpu:` stands how many sessions share the processors, not which. Throws OptionError for any
 * other text.
 */
export function parseDevice(device: string): { provider: string; numbers: number[] } {
  const [, provider, list] = /^(\w+)(?::(\d+(?:,\d+)*))?$/.exec(device) ?? [];
  if (provider === 'cpu') {
    const count = Number(list ?? 1);
    if (count >= 1 && count <= mostReplicas)
      return { provider, numbers: Array.from({ length: count }, (_, i) => i) };
  }
  const known = gpuProviders.get(provider);
  if (!known || (list && !known.numbered)) {
    const all = [...gpuProviders.keys()];
    const numbered = all.filter((name) => gpuProviders.get(name)?.numbered);
    throw new OptionError(
      `The device is "${device}", but it must be auto, cpu, ${listNames(all, 'or')}; ` +
        `${listNames(numbered)} take the numbers of devices behind a colon (cuda:0,1), cpu the number of sessions (cpu:2).`,
    );
  }
  return { provider, numbers: [...new Set((list ?? '0').split(',').map(Number))] };
}

/** A provider in ONNX Runtime's terms. Those that take no number refuse a device's number. */
export function providerConfig(provider: string, number: number): InferenceSession.ExecutionProviderConfig {
  const numbered = { name: provider, deviceId: number };
  return gpuProviders.get(provider)?.numbered ? numbered : provider;
}

/** A GPU that the operating system shows. */
export interface Gpu {
  readonly name: string;
  readonly vendor: 'nvidia' | 'amd' | 'intel' | 'apple' | 'other';
  /** Linux: its device file. */
  readonly file?: string;
  /** Whether this user may open the device file. */
  readonly usable: boolean;
}

const vendors: Readonly<Record<string, { name: string; vendor: Gpu['vendor'] }>> = {
  '0x10de': { name: 'NVIDIA GPU', vendor: 'nvidia' },
  '0x1002': { name: 'AMD GPU', vendor: 'amd' },
  '0x8086': { name: 'Intel GPU', vendor: 'intel' },
};

/**
 * The GPUs of this machine: on Linux those with a device file (`/dev/nvidia0`, `/dev/dri/renderD128`, `/dev/dxg` in
 * WSL), elsewhere the one behind the system's own interface. Reads a few small files; starts nothing.
 *
 * @param root Where `/dev`, `/proc` and `/sys` are.
 */
export function findGpus(root = '/', platform: NodeJS.Platform = process.platform): Gpu[] {
  if (platform === 'darwin') return [{ name: 'the GPU behind Metal', vendor: 'apple', usable: true }];
  if (platform === 'win32') return [{ name: 'the GPU behind Direct3D 12', vendor: 'other', usable: true }];
  const nvidia = names(join(root, 'dev'), /^nvidia(\d+)$/).map((name) =>
    onFile(root, `/dev/${name}`, {
      name: nvidiaModel(root, name.slice(6)) ?? 'NVIDIA GPU',
      vendor: 'nvidia',
    }),
  );
  const render = names(join(root, 'dev/dri'), /^renderD\d+$/).map((name) => {
    const device = (what: string) => read(join(root, 'sys/class/drm', name, 'device', what));
    const { name: maker, vendor } = vendors[device('vendor')] ?? { name: 'GPU', vendor: 'other' as const };
    const numbers = [device('vendor'), device('device')].filter(Boolean).join(':');
    return onFile(root, `/dev/dri/${name}`, { name: numbers ? `${maker} ${numbers}` : maker, vendor });
  });
  const wsl = names(join(root, 'dev'), /^dxg$/).map((name) =>
    onFile(root, `/dev/${name}`, { name: "Windows' GPU (WSL)", vendor: 'other' }),
  );
  // NVIDIA's driver shows its GPUs both ways.
  return [...nvidia, ...render.filter(({ vendor }) => vendor !== 'nvidia' || nvidia.length === 0), ...wsl];
}

function names(folder: string, pattern: RegExp): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => pattern.test(name))
      .sort();
  } catch {
    return []; // no such folder: no such device
  }
}

function onFile(root: string, file: string, gpu: Pick<Gpu, 'name' | 'vendor'>): Gpu {
  try {
    accessSync(join(root, file), constants.R_OK | constants.W_OK);
    return { ...gpu, file, usable: true };
  } catch {
    return { ...gpu, file, usable: false };
  }
}

/** The model that NVIDIA's driver notes for the device file of a number. */
function nvidiaModel(root: string, minor: string): string | undefined {
  const folder = join(root, 'proc/driver/nvidia/gpus');
  const texts = names(folder, /./).map((name) => read(join(folder, name, 'information')));
  const text = texts.find((one) => /^Device Minor:\s*(\d+)$/m.exec(one)?.[1] === minor);
  return text && /^Model:\s*(.+)$/m.exec(text)?.[1].trim();
}

/** What became of a provider's test. */
export type ProviderTest =
  | {
      readonly provider: string;
      readonly ok: true;
      /** Seconds to load the test's model, and to run it for the first time. */
      readonly seconds: { readonly load: number; readonly run: number };
      /** The GPUs it runs on, as far as the system shows it; empty for the processor. */
      readonly gpus: readonly string[];
      /** It runs on the processor behind a GPU's interface (SwiftShader, llvmpipe), slower than `cpu` itself. */
      readonly software: boolean;
      /** The providers that ONNX Runtime's binary for this platform knows. */
      readonly known: readonly string[];
    }
  | {
      readonly provider: string;
      readonly ok: false;
      /** What failed, in the words of the provider. */
      readonly why: string;
      /** What to do, as sentences; may be empty. */
      readonly advice: readonly string[];
    };

/** How long a provider may take for its test: loading CUDA from a slow disk, or building a TensorRT engine, takes a while. */
const testSeconds = 60;

/**
 * Tests a provider: in a process of its own, so that a crash or a hang stays there, it runs a 3D convolution and a ReLU
 * and compares the result. Nothing is left to the CPU, to which ONNX Runtime otherwise gives what a provider refuses.
 *
 * @param number Which of several devices.
 */
export async function testProvider(provider: string, number = 0, gpus = findGpus()): Promise<ProviderTest> {
  const asked = await askChild<ProviderReply>(
    new URL('./providerTest.js', import.meta.url),
    [provider, String(number)],
    testSeconds,
  );
  if ('reply' in asked && asked.reply.ok) {
    const { seconds, deviceFiles, providers } = asked.reply;
    const used = gpus.filter(({ file }) => file === undefined || deviceFiles.includes(file));
    return {
      provider,
      ok: true,
      seconds,
      gpus: provider === 'cpu' ? [] : [...new Set(used.map(({ name }) => name))],
      // A driver of a real GPU holds its device file open; Vulkan prefers one to a software driver.
      software: provider === 'webgpu' && process.platform === 'linux' && deviceFiles.length === 0,
      known: providers,
    };
  }
  const reply = 'reply' in asked && !asked.reply.ok ? asked.reply : undefined;
  const why = reply?.message ?? ('fault' in asked ? asked.fault : 'it failed');
  const fault = { why: `${why}\n${asked.stderr}`, noVulkan: reply?.noVulkan };
  return { provider, ok: false, why: tidy(why, asked.stderr), advice: adviceFor(provider, fault, gpus) };
}

/** The first line of a message, and what the system's loader missed, which ONNX Runtime only logs. */
function tidy(message: string, stderr: string): string {
  const missing = missingLibrary(stderr);
  const thrown = /^\s*(?:\w*Error): (.+)$/m.exec(stderr)?.[1];
  // ONNX Runtime puts the place in its source and the failed condition before some messages.
  const text = message.replace(/^\S+:\d+ .* was false\. /, '');
  const first = text.startsWith('its process') && thrown ? `${text}: ${thrown}` : text;
  const line = first.trim().split('\n')[0].replace(/\.$/, '');
  return missing && !line.includes(missing) ? `${line} (${missing} is missing)` : line;
}

/** The library that the system's loader did not find, by an ONNX Runtime message. */
function missingLibrary(text: string): string | undefined {
  const path = /([^\s:]+): cannot open shared object file/.exec(text)?.[1];
  return path?.slice(path.lastIndexOf('/') + 1);
}

/** The command that fetches ONNX Runtime's CUDA and TensorRT providers. */
const fetchCuda = 'npm rebuild onnxruntime-node --ignore-scripts=false';

/**
 * What brings a provider that failed its test, as sentences.
 *
 * @param fault What it and the libraries it loaded said; whether the Vulkan loader is missing.
 * @param gpus What `findGpus` found.
 */
export function adviceFor(
  provider: string,
  { why, noVulkan }: { readonly why: string; readonly noVulkan?: boolean },
  gpus: readonly Gpu[],
): string[] {
  const advice: string[] = [];
  if (/onnxruntime_binding\.node/.test(why)) {
    return [
      `ONNX Runtime's npm package brings no binary that loads on ${process.platform}/${process.arch}; "npm ci" installs it anew where it is damaged.`,
    ];
  }
  const locked = gpus.filter(({ usable }) => !usable);
  if (locked.length > 0) {
    advice.push(
      `This user may not open ${listNames(locked.map(({ file }) => file ?? ''))}: add it to the file's group (sudo usermod -aG render,video USER), then log in again.`,
    );
  }
  if (provider === 'cuda' || provider === 'tensorrt') {
    if (!gpus.some(({ vendor }) => vendor === 'nvidia')) {
      return [
        'No NVIDIA GPU shows (no /dev/nvidia0): it needs its driver, and a container must be given it (docker run --gpus all).',
      ];
    }
    const library = missingLibrary(why);
    if (library?.startsWith('libonnxruntime_providers_')) {
      advice.push(`Fetch the provider, a download of several hundred MB: ${fetchCuda}`);
    } else if (library) {
      advice.push(
        `${library} is missing: install CUDA 12 with cuDNN 9${provider === 'tensorrt' ? ' and TensorRT 10' : ''}, and name its folder in LD_LIBRARY_PATH.`,
      );
    }
  }
  if (provider === 'webgpu' && process.platform === 'linux') {
    if (noVulkan) {
      advice.push(
        'The Vulkan loader libvulkan.so.1 is missing: sudo apt install libvulkan1 (Fedora: dnf install vulkan-loader)',
      );
    }
    advice.push(...vulkanAdvice(gpus));
  }
  return advice;
}

/** Debian's software Vulkan driver, a part of its package `chromium`. */
const swiftShader = '/usr/lib/chromium/vk_swiftshader_icd.json';

function vulkanAdvice(gpus: readonly Gpu[]): string[] {
  const chosen = (process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES ?? '')
    .split(':')
    .filter(Boolean);
  const lost = chosen.filter((file) => !existsSync(file));
  if (lost.length > 0) return [`VK_DRIVER_FILES names ${listNames(lost)}, which is not there.`];
  if (gpus.length === 0) {
    const trial = existsSync(swiftShader)
      ? ` To try it without one, slowly: VK_DRIVER_FILES=${swiftShader}`
      : '';
    return [`No GPU shows (neither /dev/nvidia0 nor /dev/dri/renderD128).${trial}`];
  }
  const advice: string[] = [];
  const makers = new Set(gpus.map(({ vendor }) => vendor));
  if (makers.has('nvidia')) {
    advice.push(
      "NVIDIA's Vulkan driver comes with its display driver; a container needs NVIDIA_DRIVER_CAPABILITIES=all. Where its nvidia_icd.json lies elsewhere than in /usr/share/vulkan/icd.d, name it: VK_DRIVER_FILES=PATH/nvidia_icd.json",
    );
  }
  if (makers.has('amd') || makers.has('intel')) {
    advice.push('The Vulkan drivers of AMD and Intel GPUs: sudo apt install mesa-vulkan-drivers');
  }
  return advice;
}

/** The device that models run on. */
export interface DeviceChoice {
  /** As `parseDevice` reads it. */
  readonly device: string;
  /** Why `auto` picked it, or what it is: a clause. */
  readonly reason?: string;
}

/** The providers that `auto` tries, the fastest first. TensorRT is none: it compiles every model for minutes. */
const autoOrder = ['cuda', 'webgpu', 'dml'];

/**
 * Finds the device to run models on.
 *
 * `auto` takes the first of CUDA, WebGPU and DirectML that this machine has a GPU for and that passes its test, else the
 * CPU; software drivers are never picked. Where no GPU shows, nothing is started. A provider that is asked for is tested
 * too, and nothing takes its place.
 *
 * @param test How to test a provider.
 * @throws OptionError for a device that there is not; ModelError, saying what to do, when the one asked for fails its test.
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
  if (wish !== 'auto') return askedFor(wish, test);
  if (gpus.length === 0) return { device: 'cpu', reason: 'no GPU found' };
  const faults: string[] = [];
  for (const provider of autoOrder.filter((name) => isOffered(name, gpus))) {
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

/** Whether a provider's files are here, and a GPU for it: what costs nothing to find out. */
function isOffered(provider: string, gpus: readonly Gpu[]): boolean {
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

async function askedFor(
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
