import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../errors.js';
import * as ort from '../onnx/ort.js';
import { countShared, voxelBytes } from '../volume/sharedMemory.js';
import type { Vec3, Volume } from '../volume/volume.js';
import {
  addWindow,
  cutWindow,
  divideByCounts_,
  divideByWeights_,
  type ModelAxes,
  type WindowPlan,
  type WindowSettings,
  windowStart,
} from '../volume/windows.js';

/** What a session thread is started with. */
export interface SessionSetup {
  /** The ONNX file. */
  readonly file: string;
  /** The execution provider that is to run the model. */
  readonly provider: string;
  /** It and those it leans on, in ONNX Runtime's terms. */
  readonly providers: readonly ort.InferenceSession.ExecutionProviderConfig[];
  /** Threads inside the session. */
  readonly threads: number;
}

/** What is known of a model once it is loaded: -1 stands for a size that may vary. */
export interface ModelShape {
  readonly inputs: readonly {
    readonly name: string;
    readonly type: string;
    readonly dims: readonly number[];
  }[];
  readonly outputs: readonly {
    readonly name: string;
    readonly type: string;
    readonly dims: readonly number[];
  }[];
}

/** One volume's windows, worked on by all session threads of a model together. */
export interface InferenceJob {
  readonly data: Volume['data'];
  readonly size: Vec3;
  readonly channels: number;
  readonly axes: ModelAxes;
  readonly plan: WindowPlan;
  readonly padding: Pick<WindowSettings, 'paddingMode' | 'cval'>;
  /** Windows per run of the model. */
  readonly batch: number;
  /** Channels of the model's output. */
  readonly outChannels: number;
  /** Zeros, on a SharedArrayBuffer: sums of outputs while the job runs, their weighted means at its end. x fastest. */
  readonly out: Float32Array;
  /** Weights of a window's voxels, and their sums: both or neither. */
  readonly weights?: Float32Array;
  readonly weightSums?: Float32Array;
  /** Shared by the threads; see `Control`. */
  readonly control: Int32Array;
}

/** Places in `InferenceJob.control`. */
export const Control = {
  /** The next window nobody has taken. */
  next: 0,
  /** The window whose output is added next: sums are taken in one order, whichever thread is faster. */
  turn: 1,
  /** Not zero once the job is given up. */
  stopped: 2,
  length: 3,
} as const;

export type SessionRequest =
  | { readonly kind: 'probe'; readonly roiSize: Vec3; readonly channels: number; readonly axes: ModelAxes }
  | { readonly kind: 'infer'; readonly job: InferenceJob };

/** What a session thread says; `done` when it finds no window of a job left, while others may be at their last. */
export type SessionReply =
  | { readonly kind: 'ready'; readonly shape: ModelShape; readonly partlyOnCpu: boolean }
  | { readonly kind: 'probed'; readonly dims: readonly number[] }
  | { readonly kind: 'done'; readonly seconds: number }
  | { readonly kind: 'failed'; readonly message: string };

async function serve(port: NonNullable<typeof parentPort>, setup: SessionSetup): Promise<void> {
  const reply = (message: SessionReply) => port.postMessage(message);
  let session: ort.InferenceSession;
  try {
    const created = await createSession(setup);
    session = created.session;
    reply({ kind: 'ready', shape: shapeOf(session), partlyOnCpu: created.partlyOnCpu });
  } catch (error) {
    reply({ kind: 'failed', message: messageOf(error) });
    port.close();
    return;
  }
  const windows = new WindowBuffers();
  const answer = async (request: SessionRequest) => {
    try {
      if (request.kind === 'probe') {
        reply({ kind: 'probed', dims: await probe(session, request) });
        return;
      }
      const seconds = await infer(session, request.job, windows);
      reply({ kind: 'done', seconds });
    } catch (error) {
      if (request.kind === 'infer') stopJob(request.job.control);
      reply({ kind: 'failed', message: messageOf(error) });
    }
  };
  // One after the other: a session's run lets other messages in between.
  let last = Promise.resolve();
  port.on('message', (request: SessionRequest) => {
    const bytes = request.kind === 'infer' ? voxelBytes([request.job.data, request.job.out]) : 0;
    last = last.then(() => answer(request)).then(() => countShared(bytes));
  });
}

/** Creates a session, and finds out whether a GPU's provider leaves operations to the CPU, which ONNX Runtime does in silence. */
async function createSession({ file, provider, providers, threads }: SessionSetup) {
  const create = (extra?: object) =>
    ort.InferenceSession.create(file, {
      executionProviders: providers,
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      // With a plan of all activations in one block, beside those of the first run, a U-Net's session holds a quarter more and
      // is no faster.
      enableMemPattern: false,
      // A refusal to leave operations to the CPU is expected, and not to be logged.
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

function tensorDims(batch: number, channels: number, [nx, ny, nz]: Vec3, axes: ModelAxes): number[] {
  return axes === 'xyz' ? [batch, channels, nx, ny, nz] : [batch, channels, nz, ny, nx];
}

/** Runs the model once on zeros: the shape of what comes out. */
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

/** Room for the windows of one run of the model, kept from run to run and job to job. */
class WindowBuffers {
  #input = new Float32Array(0);
  #output = new Float32Array(0);

  /** Room for so many numbers; what it holds is not defined. */
  take(inputLength: number, outputLength: number): { input: Float32Array; output: Float32Array } {
    if (this.#input.length < inputLength) this.#input = new Float32Array(inputLength);
    if (this.#output.length < outputLength) this.#output = new Float32Array(outputLength);
    return { input: this.#input, output: this.#output };
  }
}

/** Takes windows of a job until none is left; returns the seconds spent in the model itself. */
async function infer(
  session: ort.InferenceSession,
  job: InferenceJob,
  windows: WindowBuffers,
): Promise<number> {
  const { plan, control, batch, channels, outChannels, size, axes } = job;
  const { roiSize } = plan;
  const voxels = roiSize[0] * roiSize[1] * roiSize[2];
  const { input, output } = windows.take(batch * channels * voxels, batch * outChannels * voxels);
  const name = session.outputNames[0];
  let seconds = 0;
  for (;;) {
    const first = Atomics.add(control, Control.next, batch);
    if (first >= plan.count || Atomics.load(control, Control.stopped)) return seconds;
    const count = Math.min(batch, plan.count - first);
    for (let i = 0; i < count; i++) {
      const start = windowStart(plan, first + i);
      const into = input.subarray(i * channels * voxels, (i + 1) * channels * voxels);
      cutWindow(job.data, size, channels, start, roiSize, axes, job.padding, into);
    }
    const begin = performance.now();
    const inputTensor = new ort.Tensor(
      'float32',
      input.subarray(0, count * channels * voxels),
      tensorDims(count, channels, roiSize, axes),
    );
    const outputTensor = new ort.Tensor(
      'float32',
      output.subarray(0, count * outChannels * voxels),
      tensorDims(count, outChannels, roiSize, axes),
    );
    const result = await session.run({ [session.inputNames[0]]: inputTensor }, { [name]: outputTensor });
    const values = result[name].data as Float32Array;
    seconds += (performance.now() - begin) / 1000;

    awaitTurn(control, first);
    if (Atomics.load(control, Control.stopped)) return seconds;
    for (let i = 0; i < count; i++) {
      const start = windowStart(plan, first + i);
      const window = values.subarray(i * outChannels * voxels, (i + 1) * outChannels * voxels);
      addWindow(window, outChannels, start, roiSize, axes, job.weights, size, job.out);
      if (job.weights && job.weightSums) {
        // The weights lie x fastest, as a window of a `zyx` model does.
        addWindow(job.weights, 1, start, roiSize, 'zyx', undefined, size, job.weightSums);
      }
    }
    if (first + batch >= plan.count) {
      // Windows are added in order, so this was the last: the sums are complete.
      if (job.weightSums) divideByWeights_(job.out, outChannels, job.weightSums);
      else divideByCounts_(job.out, outChannels, size, plan);
    }
    Atomics.store(control, Control.turn, first + batch);
    Atomics.notify(control, Control.turn);
  }
}

function awaitTurn(control: Int32Array, mine: number): void {
  for (;;) {
    const turn = Atomics.load(control, Control.turn);
    if (turn === mine || Atomics.load(control, Control.stopped)) return;
    Atomics.wait(control, Control.turn, turn, 1000);
  }
}

/** Gives a job up: its threads end after the window they are at. */
export function stopJob(control: Int32Array): void {
  Atomics.store(control, Control.stopped, 1);
  Atomics.notify(control, Control.turn);
}

// Only in a thread of its own; the main thread imports this file for its types and `Control`.
if (parentPort) await serve(parentPort, workerData as SessionSetup);
