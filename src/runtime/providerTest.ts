import { readdirSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { messageOf } from '../errors.js';
import { Graph } from '../onnx/graph.js';
import { writeModel } from '../onnx/modelFile.js';
import * as ort from '../onnx/ort.js';
import { floats } from '../onnx/tensor.js';
import { providerConfig } from './device.js';

/** The message of the child process that tests a provider. */
export type ProviderReply =
  | {
      readonly ok: true;
      /** The providers in this platform's binary. */
      readonly providers: readonly string[];
      /** Seconds to load the model, and to run it for the first time. */
      readonly seconds: { readonly load: number; readonly run: number };
      /** Linux: the open device files of GPUs. A driver keeps them open while it uses the GPU. */
      readonly deviceFiles: readonly string[];
    }
  | {
      readonly ok: false;
      readonly message: string;
      /** WebGPU on Linux: the Vulkan loader libvulkan.so.1 is missing. */
      readonly noVulkan?: boolean;
    };

/** Edge of the test's volume in voxels. */
const side = 4;

/**
 * A 3D convolution (3x3x3, one channel to two, zero padding) and a ReLU, as in segmentation models. All
 * numbers are small integers, so the result is exact even in CUDA's reduced precision (TF32).
 */
function twoNodeModel(weights: Float32Array): Uint8Array {
  const graph = new Graph({ name: 'provider-test' });
  const image = graph.addInput('image', 'float32', [1, 1, side, side, side]);
  const weight = graph.addConstant('weight', floats([2, 1, 3, 3, 3], weights));
  const features = graph.addNode('Conv', [image, weight], { pads: [1, 1, 1, 1, 1, 1] });
  graph.addOutput(graph.addNode('Relu', [features]), 'float32', [1, 2, side, side, side]);
  return writeModel(graph);
}

/** The correct output of the model. */
function expected(image: Float32Array, weights: Float32Array): Float32Array {
  const out = new Float32Array(2 * side ** 3);
  const inside = (n: number) => n >= 0 && n < side;
  for (let i = 0; i < out.length; i++) {
    const [c, x, y, z] = [side ** 3, side ** 2, side, 1].map((stride, axis) =>
      axis === 0 ? Math.floor(i / stride) : Math.floor(i / stride) % side,
    );
    let sum = 0;
    for (let tap = 0; tap < 27; tap++) {
      const [u, v, w] = [x + Math.floor(tap / 9) - 1, y + (Math.floor(tap / 3) % 3) - 1, z + (tap % 3) - 1];
      if (inside(u) && inside(v) && inside(w))
        sum += image[(u * side + v) * side + w] * weights[c * 27 + tap];
    }
    out[i] = Math.max(0, sum);
  }
  return out;
}

/** Runs the two-node model on a provider and compares its output. */
async function testProvider(provider: string, number: number): Promise<ProviderReply> {
  const weights = Float32Array.from({ length: 54 }, (_, i) => (i % 5) - 2);
  const image = Float32Array.from({ length: side ** 3 }, (_, i) => (i % 7) - 3);
  try {
    const start = performance.now();
    const session = await ort.InferenceSession.create(twoNodeModel(weights), {
      executionProviders: [providerConfig(provider, number)],
      logSeverityLevel: 3,
      // Without this, ONNX Runtime would run unsupported operations on the CPU, and the test would pass.
      ...(provider !== 'cpu' && { extra: { session: { disable_cpu_ep_fallback: '1' } } }),
    });
    const loaded = performance.now();
    const result = await session.run({ image: new ort.Tensor('float32', image, [1, 1, side, side, side]) });
    const ended = performance.now();
    const values = result[session.outputNames[0]].data as Float32Array;
    const wanted = expected(image, weights);
    const wrong = wanted.findIndex((value, i) => !(Math.abs(value - values[i]) < 1e-3));
    if (wrong >= 0) {
      const message = `it computes wrong values: ${values[wrong]} instead of ${wanted[wrong]}`;
      return { ok: false, message };
    }
    return {
      ok: true,
      providers: ort.listSupportedBackends().map(({ name }) => name),
      seconds: { load: (loaded - start) / 1000, run: (ended - loaded) / 1000 },
      deviceFiles: openDeviceFiles(),
    };
  } catch (error) {
    const noVulkan = provider === 'webgpu' && process.platform === 'linux' && !canLoad('libvulkan.so.1');
    return { ok: false, message: messageOf(error), ...(noVulkan && { noVulkan }) };
  }
}

/** The GPU device files among this process's open files. */
function openDeviceFiles(): string[] {
  if (process.platform !== 'linux') return [];
  const targets = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // closed since the folder was read
    }
  });
  const gpus = targets.filter((target) => /^\/dev\/(nvidia\d+|dri\/renderD\d+|dxg)$/.test(target));
  return [...new Set(gpus)].sort();
}

/** Whether the system's loader finds a library. */
function canLoad(library: string): boolean {
  try {
    process.dlopen({ exports: {} }, library, constants.dlopen.RTLD_LAZY);
    return true;
  } catch (error) {
    // An existing library is refused too, but because it is not a Node addon.
    return !/cannot open shared object file/.test(messageOf(error));
  }
}

const [provider, number] = process.argv.slice(2);
process.send?.(await testProvider(provider, Number(number)));
