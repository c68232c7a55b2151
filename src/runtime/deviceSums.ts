import { Graph } from '../onnx/graph.js';
import { writeModel } from '../onnx/modelFile.js';
import { Ops, range } from '../onnx/ops.js';
import * as ort from '../onnx/ort.js';
import { type Vec3, voxelCount } from '../volume/volume.js';
import { slabCount, WholeSums } from '../volume/wholeSums.js';
import { cutWindow, inModelOrder, windowStart } from '../volume/windows.js';
import { freeArray } from './freeArray.js';
import { Control, type InferenceJob, type WholeLogits } from './inferenceJob.js';

/** Tensors by name: what a graph reads or writes. */
type Tensors = Readonly<Record<string, ort.Tensor>>;

/** A job whose result is logits. */
export type LogitsJob = InferenceJob & { readonly result: WholeLogits };

/**
 * The largest buffer in bytes. Every WebGPU device can bind a buffer of 128 MiB to a shader. Many take more,
 * but ONNX Runtime's binding does not say what the limit is.
 */
const mostBytes = 128 << 20;

/** Bytes per value of a window's output for the places that it is added to; see `addGraph`. */
const placeBytes = 8;

/**
 * Whether WebGPU can add up the windows of a job. It cannot make labels, and its buffers are limited. Other
 * jobs are added up on the CPU.
 */
export function canAddOnDevice(job: InferenceJob): job is LogitsJob {
  const { result, outChannels, plan, batch, size } = job;
  const window = outChannels * voxelCount(plan.roiSize);
  const sums = outChannels * voxelCount(coveredBox(size, plan.roiSize));
  return (
    'out' in result &&
    Math.max(sums, window * batch) * Float32Array.BYTES_PER_ELEMENT <= mostBytes &&
    window * placeBytes <= mostBytes
  );
}

/** The size of the box that windows cover: the volume, which is padded where it is smaller than a window. */
function coveredBox(size: Vec3, roiSize: Vec3): Vec3 {
  const [x, y, z] = size.map((n, axis) => Math.max(n, roiSize[axis]));
  return [x, y, z];
}

/** The small graphs that add up windows on a WebGPU device. One set serves all jobs of a session thread. */
export interface SumGraphs {
  readonly hold: ort.InferenceSession;
  readonly add: ort.InferenceSession;
  readonly read: ort.InferenceSession;
}

export async function openSumGraphs(): Promise<SumGraphs> {
  const open = (graph: Graph, options: ort.InferenceSession.SessionOptions = {}) =>
    ort.InferenceSession.create(writeModel(graph), {
      executionProviders: ['webgpu'],
      // Without this, ONNX Runtime would copy the sums back for an operation that it runs on the CPU.
      extra: { session: { disable_cpu_ep_fallback: '1' } },
      logSeverityLevel: 3,
      ...options,
    });
  return {
    hold: await open(holdGraph(), { preferredOutputLocation: 'gpu-buffer' }),
    add: await open(addGraph()),
    read: await open(readGraph()),
  };
}

/** Copies tensors to the device, where they stay. */
function holdGraph(): Graph {
  const graph = new Graph({ name: 'hold' });
  const hold = (name: string, type: 'float32' | 'int32') => {
    const given = graph.addInput(`given ${name}`, type, [name]);
    graph.addOutput(graph.addNode('Identity', [given], {}, { outputs: [name] }), type, [name]);
  };
  hold('sums', 'float32');
  hold('outputs', 'float32');
  hold('mirrored', 'float32');
  hold('weights', 'float32');
  hold('places', 'int32');
  hold('window', 'int32');
  return graph;
}

/**
 * Adds the output for one window of a batch, times the weights, to the sums: value i to element
 * `places[i] + offset`. ScatterND changes only these elements if its output is the buffer of its input.
 * `starts`, `ends` and `steps` select the window, and mirror it.
 */
function addGraph(): Graph {
  const graph = new Graph({ name: 'add' });
  const ops = new Ops(graph);
  const sums = graph.addInput('sums', 'float32', ['all']);
  const outputs = graph.addInput('outputs', 'float32', ['n', 'c', 'i', 'j', 'k']);
  const starts = graph.addInput('starts', 'int64', [5]);
  const ends = graph.addInput('ends', 'int64', [5]);
  const steps = graph.addInput('steps', 'int64', [5]);
  const weights = graph.addInput('weights', 'float32', ['wi', 'wj', 'wk']);
  const places = graph.addInput('places', 'int32', ['values', 1]);
  const offset = graph.addInput('offset', 'int32', [1]);
  const window = ops.node('Slice', [outputs, starts, ends, ops.ints(range(5)), steps]);
  const values = ops.reshape(ops.mul(window, weights), [-1]);
  const elements = ops.cast(ops.add(places, offset), 'int64');
  const added = ops.node('ScatterND', [sums, elements, values], { reduction: 'add' }, 'added');
  graph.addOutput(added, 'float32', ['all']);
  return graph;
}

/** Copies a part of the sums back. `getData()` of a tensor on the device would abort the process. */
function readGraph(): Graph {
  const graph = new Graph({ name: 'read' });
  const inputs = [
    graph.addInput('sums', 'float32', ['all']),
    graph.addInput('starts', 'int64', [1]),
    graph.addInput('ends', 'int64', [1]),
  ];
  graph.addOutput(graph.addNode('Slice', inputs, {}, { outputs: ['part'] }), 'float32', ['count']);
  return graph;
}

/**
 * Adds up the windows of a job on a WebGPU device. Outputs of the model and sums stay there, and the sums are
 * copied back once.
 *
 * Each product of an output and its weight is rounded to float32, and so is each sum. With equal weights, the
 * results have the same bits as those of `WholeSums` on the CPU. With Gaussian weights, `WholeSums` rounds
 * the product and the sum together, so results may differ in the last bits.
 *
 * The calls for each batch are `settle`, a run of the model into `output`, and `add`. Before `add`, each
 * mirror image of the windows takes a run into `mirroredOutput` and `addMirrored`.
 */
export class DeviceSums {
  readonly #job: LogitsJob;
  readonly #graphs: SumGraphs;
  readonly #held: Tensors;
  readonly #box: Vec3;
  /** Divides by the weights at the end. */
  readonly #whole: WholeSums;
  /** Windows that the device may still be working on. */
  #pending = 0;

  /** Copies what a job needs to the device: the sums so far, the weights, and the places of values. */
  static async begin(job: LogitsJob, graphs: SumGraphs): Promise<DeviceSums> {
    const { size, plan, outChannels, batch, mirror, result } = job;
    const box = coveredBox(size, plan.roiSize);
    const sums = new Float32Array(outChannels * voxelCount(box));
    cutWindow(result.out, size, outChannels, boxStart(job), box, 'zyx', zeros, sums);
    const window = outChannels * voxelCount(plan.roiSize);
    const isMirrored = mirror.length > 0;
    const held = await graphs.hold.run({
      'given sums': floats(sums),
      'given outputs': floats(new Float32Array(batch * window)),
      'given mirrored': floats(new Float32Array(isMirrored ? batch * window : 0)),
      'given weights': floats(weightsOf(job)),
      'given places': ints(placesInBox(job, box)),
      'given window': ints(Int32Array.from({ length: isMirrored ? window : 0 }, (_, i) => i)),
    });
    freeArray(sums);
    return new DeviceSums(job, graphs, held, box);
  }

  private constructor(job: LogitsJob, graphs: SumGraphs, held: Tensors, box: Vec3) {
    this.#job = job;
    this.#graphs = graphs;
    this.#held = held;
    this.#box = box;
    this.#whole = new WholeSums({ ...job, ...job.result });
  }

  /** The tensor on the device that takes the model's output for `count` windows. */
  output(count: number): ort.Tensor {
    return this.#view('outputs', 'float32', this.#outputDims(count));
  }

  /** The tensor on the device that takes the model's output for `count` mirrored windows. */
  mirroredOutput(count: number): ort.Tensor {
    return this.#view('mirrored', 'float32', this.#outputDims(count));
  }

  /** Mirrors `mirroredOutput` back and adds it to `output`. `flips` says which axes of the windows are. */
  async addMirrored(count: number, flips: readonly boolean[]): Promise<void> {
    const { outputs: sums, window } = this.#held;
    const weights = new ort.Tensor('float32', Float32Array.of(1), [1, 1, 1]);
    const target = { sums, weights, places: this.#places('window') };
    const length = window.dims[0];
    for (let i = 0; i < count; i++) {
      await this.#add(windowOf(this.mirroredOutput(count), i, flips), target, i * length);
    }
  }

  /**
   * Waits until the device has added all windows so far. Without waiting, ONNX Runtime would queue all
   * windows of a case, each with a copy of its input.
   */
  async settle(): Promise<void> {
    if (this.#pending === 0) return;
    await this.#read(0, 1);
    Atomics.add(this.#job.control, Control.added, this.#pending);
    this.#pending = 0;
  }

  /** Adds the `count` windows from `first` on whose output is in `output`. */
  async add(first: number, count: number): Promise<void> {
    const { sums } = this.#held;
    const dims = this.#job.weights ? this.#windowDims() : [1, 1, 1];
    const target = { sums, weights: this.#view('weights', 'float32', dims), places: this.#places('places') };
    for (let i = 0; i < count; i++) {
      await this.#add(windowOf(this.output(count), i), target, this.#offset(first + i));
    }
    this.#pending += count;
  }

  /** Copies the sums back. Those of the last model become means. */
  async finish(): Promise<void> {
    await this.settle();
    const { size, outChannels, result } = this.#job;
    const [voxels, perChannel] = [voxelCount(size), voxelCount(this.#box)];
    const start = boxStart(this.#job).map((n) => -n) as [number, number, number];
    for (let channel = 0; channel < outChannels; channel++) {
      const sums = await this.#read(channel * perChannel, (channel + 1) * perChannel);
      const out = result.out.subarray(channel * voxels, (channel + 1) * voxels);
      cutWindow(sums, this.#box, 1, start, size, 'zyx', zeros, out);
      freeArray(sums);
    }
    for (let slab = 0; slab < slabCount(size); slab++) this.#whole.finish(slab);
  }

  /** Frees the device's memory, which garbage collection does not count. */
  dispose(): void {
    for (const tensor of Object.values(this.#held)) tensor.dispose();
  }

  async #add(window: Tensors, target: Tensors & { sums: ort.Tensor }, offset: number): Promise<void> {
    const feeds = { ...window, ...target, offset: ints(Int32Array.of(offset)) };
    await this.#graphs.add.run(feeds, { added: target.sums });
  }

  async #read(first: number, end: number): Promise<Float32Array<ArrayBuffer>> {
    const { sums } = this.#held;
    const read = await this.#graphs.read.run({ sums, starts: int64s([first]), ends: int64s([end]) });
    return read['part'].data as Float32Array<ArrayBuffer>;
  }

  /** A tensor on the device with other sizes. */
  #view(name: string, dataType: 'float32' | 'int32', dims: readonly number[]): ort.Tensor {
    return ort.Tensor.fromGpuBuffer(this.#held[name].gpuBuffer, { dataType, dims });
  }

  #places(name: 'places' | 'window'): ort.Tensor {
    return this.#view(name, 'int32', [this.#held[name].dims[0], 1]);
  }

  #windowDims(): Vec3 {
    return inModelOrder(this.#job.plan.roiSize, this.#job.axes);
  }

  #outputDims(count: number): readonly number[] {
    return [count, this.#job.outChannels, ...this.#windowDims()];
  }

  /** How far a window's places are from those of the window at the start of the box. */
  #offset(step: number): number {
    const start = boxStart(this.#job);
    const [x, y, z] = windowStart(this.#job.plan, step).map((n, axis) => n - start[axis]);
    return (z * this.#box[1] + y) * this.#box[0] + x;
  }
}

const zeros = { paddingMode: 'constant', cval: 0 } as const;

/** The first voxel of the box that windows cover; negative where the volume is padded. */
function boxStart({ plan }: InferenceJob): Vec3 {
  const [x, y, z] = plan.starts.map(([first]) => Math.min(first, 0));
  return [x, y, z];
}

/**
 * The weights of a window's values, in the model's order, or one weight for all. Of outputs for several
 * mirror images, which are added up first, the mean is added. Their number is a power of 2, so dividing the
 * weights gives the same bits as dividing the outputs.
 */
function weightsOf({ weights, plan, axes, mirror }: InferenceJob): Float32Array {
  const ordered = new Float32Array(weights ? weights.length : 1).fill(1);
  if (weights) cutWindow(weights, plan.roiSize, 1, [0, 0, 0], plan.roiSize, axes, zeros, ordered);
  return ordered.map((weight) => weight / 2 ** mirror.length);
}

/** For each value of the window at the start of a box, in the model's order, its element in the box. */
function placesInBox({ plan, outChannels, axes }: InferenceJob, box: Vec3): Int32Array {
  const [nx, ny, nz] = box;
  const [a, b, c] = inModelOrder(plan.roiSize, axes);
  const [stepA, stepB, stepC] = axes === 'xyz' ? [1, nx, nx * ny] : [nx * ny, nx, 1];
  const places = new Int32Array(outChannels * a * b * c);
  let to = 0;
  for (let channel = 0; channel < outChannels; channel++) {
    for (let i = 0; i < a; i++) {
      for (let j = 0; j < b; j++) {
        const row = channel * nx * ny * nz + i * stepA + j * stepB;
        for (let k = 0; k < c; k++) places[to++] = row + k * stepC;
      }
    }
  }
  return places;
}

/** The inputs of `addGraph` for window `i` of a batch, whose axes are mirrored back where `flips` says so. */
function windowOf(outputs: ort.Tensor, i: number, flips: readonly boolean[] = []): Tensors {
  const [, channels, ...dims] = outputs.dims;
  return {
    outputs,
    starts: int64s([i, 0, ...dims.map((n, axis) => (flips[axis] ? n - 1 : 0))]),
    // Backwards, the end is before the first element.
    ends: int64s([i + 1, channels, ...dims.map((n, axis) => (flips[axis] ? -n - 1 : n))]),
    steps: int64s([1, 1, ...dims.map((_, axis) => (flips[axis] ? -1 : 1))]),
  };
}

function floats(values: Float32Array): ort.Tensor {
  return new ort.Tensor('float32', values, [values.length]);
}

function ints(values: Int32Array): ort.Tensor {
  return new ort.Tensor('int32', values, [values.length]);
}

function int64s(values: readonly number[]): ort.Tensor {
  return new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [values.length]);
}
