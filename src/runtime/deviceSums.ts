import { Graph } from '../onnx/graph.js';
import { writeModel } from '../onnx/modelFile.js';
import { Ops } from '../onnx/ops.js';
import * as ort from '../onnx/ort.js';
import { type Vec3, voxelCount } from '../volume/volume.js';
import { slabCount, WholeSums } from '../volume/wholeSums.js';
import { cutWindow, type ModelAxes, windowStart } from '../volume/windows.js';
import { freeArray } from './freeArray.js';
import { Control, type InferenceJob, type WholeLogits } from './inferenceJob.js';

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
 * Whether WebGPU can add up the windows of a job. It cannot make labels or mirror outputs back, and its
 * buffers are limited. Other jobs are added up on the CPU.
 */
export function canAddOnDevice(job: InferenceJob): job is LogitsJob {
  const { result, mirror, outChannels, plan, batch, size } = job;
  const window = outChannels * voxelCount(plan.roiSize);
  const sums = outChannels * voxelCount(coveredBox(size, plan.roiSize));
  return (
    'out' in result &&
    mirror.length === 0 &&
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
  hold('weights', 'float32');
  hold('places', 'int32');
  return graph;
}

/**
 * Adds the output for one window of a batch, times the weights, to the sums: value i to element
 * `places[i] + offset`. ScatterND changes only these elements if its output is the buffer of its input.
 */
function addGraph(): Graph {
  const graph = new Graph({ name: 'add' });
  const ops = new Ops(graph);
  const sums = graph.addInput('sums', 'float32', ['all']);
  const outputs = graph.addInput('outputs', 'float32', ['n', 'c', 'i', 'j', 'k']);
  const first = graph.addInput('first', 'int64', [1]);
  const end = graph.addInput('end', 'int64', [1]);
  const weights = graph.addInput('weights', 'float32', ['wi', 'wj', 'wk']);
  const places = graph.addInput('places', 'int32', ['values', 1]);
  const offset = graph.addInput('offset', 'int32', [1]);
  const window = ops.node('Slice', [outputs, first, end, ops.ints([0])]);
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
    graph.addInput('first', 'int64', [1]),
    graph.addInput('end', 'int64', [1]),
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
 * The calls for each batch are `settle`, a run of the model into `output`, and `add`.
 */
export class DeviceSums {
  readonly #job: LogitsJob;
  readonly #graphs: SumGraphs;
  readonly #held: Readonly<Record<string, ort.Tensor>>;
  readonly #box: Vec3;
  /** Adds up the weights on the CPU, and divides by them at the end. */
  readonly #whole: WholeSums;
  /** Windows that the device may still be working on. */
  #pending = 0;

  /** Copies what a job needs to the device: the sums so far, the weights, and the places of values. */
  static async begin(job: LogitsJob, graphs: SumGraphs): Promise<DeviceSums> {
    const { size, plan, outChannels, batch, axes, weights, result } = job;
    const { roiSize } = plan;
    const box = coveredBox(size, roiSize);
    const sums = new Float32Array(outChannels * voxelCount(box));
    cutWindow(result.out, size, outChannels, boxStart(job), box, 'zyx', zeros, sums);
    const held = await graphs.hold.run({
      'given sums': floats(sums),
      'given outputs': floats(new Float32Array(batch * outChannels * voxelCount(roiSize))),
      'given weights': floats(weights ? inModelOrder(weights, roiSize, axes) : Float32Array.of(1)),
      'given places': ints(placesInBox(roiSize, outChannels, box, axes)),
    });
    return new DeviceSums(job, graphs, held, box);
  }

  private constructor(
    job: LogitsJob,
    graphs: SumGraphs,
    held: Readonly<Record<string, ort.Tensor>>,
    box: Vec3,
  ) {
    this.#job = job;
    this.#graphs = graphs;
    this.#held = held;
    this.#box = box;
    this.#whole = new WholeSums({ ...job, ...job.result });
  }

  /** The tensor on the device that takes the model's output for `count` windows. */
  output(count: number): ort.Tensor {
    return this.#view('outputs', 'float32', [count, this.#job.outChannels, ...this.#windowDims()]);
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
    const dims = this.#job.weights ? this.#windowDims() : [1, 1, 1];
    const { sums } = this.#held;
    const shared = {
      sums,
      outputs: this.output(count),
      weights: this.#view('weights', 'float32', dims),
      places: this.#view('places', 'int32', [this.#held['places'].dims[0], 1]),
    };
    for (let i = 0; i < count; i++) {
      const offset = ints(Int32Array.of(this.#offset(first + i)));
      await this.#graphs.add.run({ ...shared, ...part(i, i + 1), offset }, { added: sums });
    }
    this.#pending += count;
    // The device is at work on the windows meanwhile.
    for (let step = first; step < first + count; step++) {
      const { start, end } = this.#whole.slabs(step);
      for (let slab = start; slab < end; slab++) this.#whole.addWeights(step, slab);
    }
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

  async #read(first: number, end: number): Promise<Float32Array<ArrayBuffer>> {
    const read = await this.#graphs.read.run({ sums: this.#held['sums'], ...part(first, end) });
    return read['part'].data as Float32Array<ArrayBuffer>;
  }

  /** A tensor on the device with other sizes. */
  #view(name: string, dataType: 'float32' | 'int32', dims: readonly number[]): ort.Tensor {
    return ort.Tensor.fromGpuBuffer(this.#held[name].gpuBuffer, { dataType, dims });
  }

  /** The sizes of a window in the model's order. */
  #windowDims(): readonly number[] {
    const { axes, plan } = this.#job;
    return axes === 'xyz' ? plan.roiSize : plan.roiSize.toReversed();
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

/** The values of a window (x fastest) in the order in which the model writes them. */
function inModelOrder(values: Float32Array, roiSize: Vec3, axes: ModelAxes): Float32Array {
  const ordered = new Float32Array(values.length);
  cutWindow(values, roiSize, 1, [0, 0, 0], roiSize, axes, zeros, ordered);
  return ordered;
}

/** For each value of the window at the start of a box, in the model's order, its element in the box. */
function placesInBox(roiSize: Vec3, channels: number, box: Vec3, axes: ModelAxes): Int32Array {
  const strides = [1, box[0], box[0] * box[1]];
  const [a, b, c] = axes === 'xyz' ? [0, 1, 2] : [2, 1, 0];
  const places = new Int32Array(channels * voxelCount(roiSize));
  let to = 0;
  for (let channel = 0; channel < channels; channel++) {
    for (let i = 0; i < roiSize[a]; i++) {
      for (let j = 0; j < roiSize[b]; j++) {
        const row = channel * voxelCount(box) + i * strides[a] + j * strides[b];
        for (let k = 0; k < roiSize[c]; k++) places[to++] = row + k * strides[c];
      }
    }
  }
  return places;
}

function floats(values: Float32Array): ort.Tensor {
  return new ort.Tensor('float32', values, [values.length]);
}

function ints(values: Int32Array): ort.Tensor {
  return new ort.Tensor('int32', values, [values.length]);
}

/** The inputs of a graph that say which part of another input it reads. */
function part(first: number, end: number): { readonly first: ort.Tensor; readonly end: ort.Tensor } {
  const bound = (at: number) => new ort.Tensor('int64', BigInt64Array.of(BigInt(at)), [1]);
  return { first: bound(first), end: bound(end) };
}
