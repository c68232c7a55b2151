import { parentPort } from 'node:worker_threads';
import { messageOf } from '../errors.js';
import { findOrt } from '../onnx/blockSize.js';
import * as ort from '../onnx/ort.js';
import { type Vec3, voxelCount } from '../volume/volume.js';
import { cutWindow, inModelOrder, type ModelAxes, mirrorWindow, windowStart } from '../volume/windows.js';
import { outputAdder } from './addOutputs.js';
import type { DeviceSums } from './deviceSums.js';
import { freeArray } from './freeArray.js';
import { collectGarbage, countShared, voxelBytes } from './garbage.js';
import { type InferenceJob, isStopped, stopJob, takeWindows } from './inferenceJob.js';
import { mirrorImages, runMirrored } from './mirroredRuns.js';
import type { ModelShape, SessionReply, SessionRequest, SessionSetup } from './sessionMessages.js';
import { toErrorData } from './threadError.js';

// The code of a session thread. Importing this module serves the thread's port, so only `new Worker` may load
// it.

function serve(port: NonNullable<typeof parentPort>): void {
  const reply = (message: SessionReply) => port.postMessage(message);
  const windows = new WindowBuffers();
  let session: ort.InferenceSession;
  let beginSums: BeginSums | undefined;
  const answer = async (request: SessionRequest): Promise<SessionReply> => {
    switch (request.kind) {
      case 'open': {
        if (request.setup.collectGarbage) collectGarbage();
        const { partlyOnCpu, ...created } = await createSession(request.setup);
        session = created.session;
        if (request.setup.provider === 'webgpu') beginSums = await sumsOnDevice();
        return { kind: 'opened', shape: shapeOf(session), partlyOnCpu };
      }
      case 'probe':
        return { kind: 'probed', dims: await probe(session, request) };
      case 'infer': {
        const sums = await beginSums?.(request.job);
        if (sums) await inferOnDevice(session, request.job, windows, sums);
        else await infer(session, request.job, windows);
        return { kind: 'done' };
      }
    }
  };
  const answerOrFail = async (request: SessionRequest) => {
    try {
      reply(await answer(request));
    } catch (error) {
      if (request.kind === 'infer') stopJob(request.job.control);
      reply({ kind: 'failed', error: toErrorData(error) });
    }
  };
  // One after the other: requests arrive while a session runs. The first step also prepares what all sessions
  // of a process share.
  let last = findOrt().then((found) => reply({ kind: 'started', ort: found }));
  port.on('message', (request: SessionRequest) => {
    const bytes = request.kind === 'infer' ? voxelBytes(arraysOf(request.job)) : 0;
    last = last.then(() => answerOrFail(request)).then(() => countShared(bytes));
  });
}

/**
 * Creates a session. Finds out whether a GPU's provider leaves operations to the CPU, which ONNX Runtime does
 * silently.
 */
async function createSession({ file, provider, providers, threads }: SessionSetup) {
  const create = (extra?: object) =>
    ort.InferenceSession.create(file, {
      executionProviders: providers,
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      // The pattern allocates all activations as one block, beside those of the first run: a U-Net's session
      // takes a quarter more memory and is not faster.
      enableMemPattern: false,
      // The error when operations would be left to the CPU is expected; do not log it.
      logSeverityLevel: extra ? 4 : 3,
      ...extra,
    });
  if (provider !== 'cpu') {
    try {
      const extra = { session: { disable_cpu_ep_fallback: '1' } };
      return { session: await create({ extra }), partlyOnCpu: false };
    } catch (error) {
      if (!/assigned to the default CPU EP/.test(messageOf(error))) throw error;
    }
  }
  return { session: await create(), partlyOnCpu: provider !== 'cpu' };
}

function shapeOf(session: ort.InferenceSession): ModelShape {
  const describe = (all: readonly ort.InferenceSession.ValueMetadata[]) =>
    all.map((value) => ({
      name: value.name,
      type: value.isTensor ? value.type : 'not a tensor',
      dims: value.isTensor ? value.shape.map((n) => (typeof n === 'number' ? n : -1)) : [],
    }));
  return { inputs: describe(session.inputMetadata), outputs: describe(session.outputMetadata) };
}

function tensorDims(batch: number, channels: number, roiSize: Vec3, axes: ModelAxes): number[] {
  return [batch, channels, ...inModelOrder(roiSize, axes)];
}

/** Runs the model once on zeros; returns the shape of its output. */
async function probe(
  session: ort.InferenceSession,
  { roiSize, channels, axes }: Extract<SessionRequest, { kind: 'probe' }>,
): Promise<readonly number[]> {
  const dims = tensorDims(1, channels, roiSize, axes);
  const zeros = new Float32Array(dims.reduce((product, n) => product * n));
  const result = await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', zeros, dims) }, [
    session.outputNames[0],
  ]);
  return result[session.outputNames[0]].dims;
}

/** Buffers for the windows of one run of the model, reused from run to run and from job to job. */
class WindowBuffers {
  readonly #kept = new Map<string, Float32Array>();

  /** A buffer of this length for a purpose, with undefined content. */
  take(purpose: string, length: number): Float32Array {
    const kept = this.#kept.get(purpose);
    if (kept && kept.length >= length) return kept.subarray(0, length);
    const buffer = new Float32Array(length);
    this.#kept.set(purpose, buffer);
    return buffer;
  }
}

/** Begins to add up the windows of a job on the device; undefined if the job must be added up on the CPU. */
type BeginSums = (job: InferenceJob) => Promise<DeviceSums | undefined>;

/** Loads the code for sums on the device, which only sessions of WebGPU need. */
async function sumsOnDevice(): Promise<BeginSums> {
  const { canAddOnDevice, DeviceSums, openSumGraphs } = await import('./deviceSums.js');
  let graphs: ReturnType<typeof openSumGraphs> | undefined;
  return async (job) => {
    if (!canAddOnDevice(job)) return undefined;
    graphs ??= openSumGraphs();
    return DeviceSums.begin(job, await graphs);
  };
}

/** Runs the windows of a job until none is left, and adds up their outputs on the device. */
async function inferOnDevice(
  session: ort.InferenceSession,
  job: InferenceJob,
  buffers: WindowBuffers,
  sums: DeviceSums,
): Promise<void> {
  const { plan, batch, channels, axes } = job;
  const images = mirrorImages(mirroredAxes(job));
  const length = batch * channels * voxelCount(plan.roiSize);
  const mirrored = buffers.take('mirrored', images.length > 0 ? length : 0);
  const [inputName] = session.inputNames;
  const [outputName] = session.outputNames;
  const startOf = (step: number) => windowStart(plan, step);
  const runModel = (windows: Float32Array, count: number, output: ort.Tensor) =>
    session.run({ [inputName]: windowTensor(windows, job, count) }, { [outputName]: output });
  try {
    for (;;) {
      const first = takeWindows(job, batch);
      if (first === undefined) break;
      const count = Math.min(batch, job.steps - first);
      // The device is at work on the windows before while these are cut.
      const input = cutWindows(job, first, count, startOf, buffers);
      await sums.settle();
      await runModel(input, count, sums.output(count));
      for (const flips of images) {
        mirrorWindow(input, count * channels, inModelOrder(plan.roiSize, axes), flips, false, mirrored);
        await runModel(mirrored, count, sums.mirroredOutput(count));
        await sums.addMirrored(count, flips);
      }
      await sums.add(first, count);
    }
    if (!isStopped(job.control)) await sums.finish();
  } finally {
    sums.dispose();
  }
}

/** Runs the windows of a job until none is left, and adds up their outputs on the CPU. */
async function infer(
  session: ort.InferenceSession,
  job: InferenceJob,
  buffers: WindowBuffers,
): Promise<void> {
  const { plan, batch, channels, outChannels, axes } = job;
  const adder = outputAdder(job);
  const { roiSize } = plan;
  const outputs = batch * outChannels * voxelCount(roiSize);
  const mirrors = job.mirror.length > 0;
  const mirrored = buffers.take('mirrored', mirrors ? batch * channels * voxelCount(roiSize) : 0);
  const sum = buffers.take('sum', mirrors ? outputs : 0);
  const [inputName] = session.inputNames;
  const [outputName] = session.outputNames;
  let output = new Float32Array(0);
  const runModel = async (windows: Float32Array, count: number) => {
    freeArray(output);
    // An output that is given is filled, and is copied anyway: it would only take memory.
    const result = await session.run({ [inputName]: windowTensor(windows, job, count) }, [outputName]);
    output = result[outputName].data as Float32Array<ArrayBuffer>;
    return output;
  };
  /** Runs and adds windows. Returns false for an abandoned job. */
  const runWindows = async (first: number): Promise<boolean> => {
    const count = Math.min(batch, job.steps - first);
    const runs = {
      input: cutWindows(job, first, count, (step) => adder.start(step), buffers),
      inputs: count * channels,
      outputs: count * outChannels,
      dims: inModelOrder(plan.roiSize, axes),
      axes: mirroredAxes(job),
    };
    const values = await runMirrored(
      (windows) => runModel(windows, count),
      runs,
      mirrored,
      sum.subarray(0, (count * outputs) / batch),
    );
    const length = values.length / count;
    const all = Array.from({ length: count }, (_, i) => values.subarray(i * length, (i + 1) * length));
    const isAdded = adder.add(first, all);
    freeArray(output);
    return isAdded;
  };
  for (;;) {
    const first = takeWindows(job, batch);
    if (first === undefined || !(await runWindows(first))) return;
  }
}

/** Cuts out `count` windows from step `first` on, one behind the other. The next call reuses the memory. */
function cutWindows(
  { data, size, channels, plan, axes, padding, batch }: InferenceJob,
  first: number,
  count: number,
  startOf: (step: number) => Vec3,
  buffers: WindowBuffers,
): Float32Array {
  const length = channels * voxelCount(plan.roiSize);
  const input = buffers.take('input', batch * length);
  for (let i = 0; i < count; i++) {
    const into = input.subarray(i * length, (i + 1) * length);
    cutWindow(data, size, channels, startOf(first + i), plan.roiSize, axes, padding, into);
  }
  return input;
}

/** The axes to mirror, in the model's order. */
function mirroredAxes({ mirror, axes }: InferenceJob): readonly number[] {
  return mirror.map((axis) => (axes === 'xyz' ? axis : 2 - axis));
}

/** The input of the model: the first `count` windows of a batch. */
function windowTensor(
  windows: Float32Array,
  { channels, plan, axes }: InferenceJob,
  count: number,
): ort.Tensor {
  const values = windows.subarray(0, count * channels * voxelCount(plan.roiSize));
  return new ort.Tensor('float32', values, tensorDims(count, channels, plan.roiSize, axes));
}

/** The arrays that a job shares with other threads. */
function arraysOf({ data, result }: InferenceJob): readonly ArrayBufferView[] {
  return 'out' in result ? [data, result.out] : [data, result.storage, result.labels];
}

serve(parentPort!);
