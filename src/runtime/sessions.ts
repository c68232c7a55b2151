import { listNames, ModelError, show } from '../errors.js';
import { processors } from '../machine.js';
import { allocate, type Vec3, type Volume, voxelCount } from '../volume/volume.js';
import { type ModelAxes, planWindows, type WindowSettings, windowWeights } from '../volume/windows.js';
import { AskThread, NotBegun } from './askThread.js';
import { parseDevice, providerConfig } from './devices.js';
import type { RunnableModel } from './modelForm.js';
import {
  Control,
  type InferenceJob,
  type ModelShape,
  type SessionReply,
  type SessionRequest,
  type SessionSetup,
  stopJob,
} from './sessionWorker.js';

/** Most session threads on a CPU: more need more memory (a U-Net's activations each) than they bring speed. */
const mostCpuSessions = 8;

/**
 * The sessions a device gets: on a CPU one single-threaded session per processor, which together finish more windows
 * per second than one session with all threads (see docs/performance.md), or as many as are asked for (`cpu:2`); on
 * others one per device.
 */
export function sessionSetups(file: string, device: string): SessionSetup[] {
  const { provider, numbers } = parseDevice(device);
  if (provider === 'cpu') {
    const sessions = device === 'cpu' ? Math.min(processors, mostCpuSessions) : numbers.length;
    const threads = Math.max(1, Math.floor(processors / sessions));
    return Array.from({ length: sessions }, () => ({ file, provider, providers: [provider], threads }));
  }
  // What TensorRT does not take, CUDA does.
  const providers = provider === 'tensorrt' ? ['tensorrt', 'cuda'] : [provider];
  return numbers.map((number) => ({
    file,
    provider,
    providers: providers.map((name) => providerConfig(name, number)),
    threads: 1,
  }));
}

/** A model that is loaded into its session threads. */
export interface LoadedModel {
  readonly shape: ModelShape;
  /** How many session threads work on a volume together. */
  readonly sessions: number;
  /** On a GPU: some operations run on the CPU, because the provider does not take them. */
  readonly partlyOnCpu: boolean;
  /**
   * The channels that the model gives for windows of `roiSize` voxels and `channels` channels. Found by running it once
   * on zeros. Throws ModelError when it does not take such windows, or does not give an output of their size.
   */
  outputChannels(roiSize: Vec3, channels: number): Promise<number>;
  /**
   * Slides the model over a volume; see the operator `inference`. The result holds the model's output, its `logits`. `onDrained` is
   * called when a session finds no window left, while others may still be at their last: the next volume may come.
   */
  infer(volume: Volume, settings: WindowSettings, batch: number, onDrained?: () => void): Promise<Volume>;
  /** Ends the session threads. */
  close(): Promise<void>;
}

/** Loads a model into one thread per session of a device (see `parseDevice`). Throws ModelError when it cannot be loaded. */
export async function loadModel(
  model: RunnableModel,
  device: string,
  limit = defaultStepTimeout,
): Promise<LoadedModel> {
  const { file, axes, difference } = model;
  const setups = sessionSetups(file, device);
  const threads: SessionThread[] = [];
  let ready: Extract<SessionReply, { kind: 'ready' }>;
  try {
    for (const setup of setups) threads.push(startThread(setup));
    const replies = await Promise.all(threads.map((thread) => answered(thread, thread.ready, file, limit)));
    const [first] = replies;
    if (first.kind !== 'ready') throw new ModelError(`The session answered "${first.kind}" when it started.`);
    ready = first;
  } catch (error) {
    await Promise.all(threads.map((thread) => thread.close()));
    throw error;
  }
  const { shape, partlyOnCpu } = ready;
  const onCpu = parseDevice(device).provider === 'cpu';
  checkShape(file, shape);
  const known = new Map<string, Promise<number>>();
  /** The channels of the file's output; one that stands for two counts as one. */
  const fileChannels = (roiSize: Vec3, channels: number) => {
    const key = `${roiSize} ${channels}`;
    const begun = known.get(key);
    if (begun) return begun;
    const probing = answered(threads[0], probe(file, threads[0], roiSize, channels, axes), file, limit);
    // A session's first run is slow: the others have theirs while the first case is read. What fails then fails again there.
    probing
      .then(() =>
        threads.slice(1).map((thread) => probe(file, thread, roiSize, channels, axes).catch(() => {})),
      )
      .catch(() => {});
    known.set(key, probing);
    probing.catch(() => known.delete(key));
    return probing;
  };
  /** Volumes that are at work. */
  const jobs = new Set<InferenceJob>();
  /** Starts anew what ended: a thread that died, or was ended, must not fail the cases that come after. */
  const revive = () =>
    Promise.all(
      threads.map(async (thread, i) => {
        if (!thread.ended) return;
        threads[i] = startThread(setups[i]);
        await answered(threads[i], threads[i].ready, file, limit);
      }),
    );
  return {
    shape,
    sessions: threads.length,
    partlyOnCpu,
    async outputChannels(roiSize, channels) {
      const found = await fileChannels(roiSize, channels);
      return difference ? 2 : found;
    },
    async infer(volume, settings, batch, onDrained) {
      await revive();
      const { size } = volume;
      const plan = planWindows(size, settings);
      const weights = windowWeights(plan.roiSize, settings);
      const outChannels = await fileChannels(plan.roiSize, volume.channels);
      const count = voxelCount(size);
      // One channel that stands for the logits (0, d) is written behind a channel of zeros.
      const outputs = difference ? 2 : outChannels;
      const data = allocate('float32', count * outputs);
      const job: InferenceJob = {
        data: volume.data,
        size,
        channels: volume.channels,
        axes,
        plan,
        padding: settings,
        batch: onCpu ? 1 : batch,
        outChannels,
        out: data.subarray(data.length - count * outChannels),
        weights,
        weightSums: weights && allocate('float32', count),
        control: allocate('int32', Control.length),
      };
      const open = new Set(threads);
      jobs.add(job);
      const unwatch = watchJob(job, limit, () => {
        for (const thread of open) thread.abandon(noSign(file, limit, job));
      });
      const outcomes = await Promise.allSettled(
        threads.map((thread) =>
          thread
            .ask({ kind: 'infer', job })
            .then(onDrained, (error) => {
              // A thread that ended before it began this volume leaves its windows to the others.
              if (!(error instanceof NotBegun)) stopJob(job.control);
              throw error;
            })
            .finally(() => open.delete(thread)),
        ),
      );
      unwatch();
      jobs.delete(job);
      const done = outcomes.some(({ status }) => status === 'fulfilled');
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected' && !(done && outcome.reason instanceof NotBegun))
          throw outcome.reason;
      }
      return { ...volume, data, channels: outputs, kind: 'logits' };
    },
    async close() {
      for (const { control } of jobs) stopJob(control);
      await Promise.all(threads.map((thread) => thread.close()));
    },
  };
}

/** Seconds without a sign of life after which a thread counts as stuck, where nothing else is said. */
export const defaultStepTimeout = 1800;

/**
 * Calls `stuck` when no window of a job was begun or finished for `limit` seconds and, told to give up, the threads do not
 * answer either. Returns what ends the watch.
 */
function watchJob({ control }: InferenceJob, limit: number, stuck: () => void): () => void {
  const pause = Math.min(1000, (limit * 1000) / 4);
  let seen = '';
  let since = performance.now();
  const timer = setInterval(() => {
    const now = `${Atomics.load(control, Control.next)} ${Atomics.load(control, Control.turn)}`;
    if (now !== seen) since = performance.now();
    seen = now;
    if (performance.now() - since < limit * 1000) return;
    // Those who only wait for the stuck one's window are set free first, and spared.
    if (Atomics.load(control, Control.stopped)) stuck();
    else stopJob(control);
  }, pause);
  return () => clearInterval(timer);
}

function noSign(file: string, limit: number, { control, plan }: InferenceJob): ModelError {
  return new ModelError(
    `The model ${file} gave no sign of life for ${limit} s (runtime.stepTimeout) at about window ` +
      `${Atomics.load(control, Control.turn) + 1} of ${plan.count}, and its thread was ended. Run the case again with --resume; if its windows ` +
      'do take that long, raise runtime.stepTimeout.',
  );
}

/** A thread's answer, or an error once `limit` seconds passed without: then the thread is ended. */
async function answered<T>(
  thread: SessionThread,
  answer: Promise<T>,
  file: string,
  limit: number,
): Promise<T> {
  const timer = setTimeout(() => {
    thread.abandon(
      new ModelError(
        `The model ${file} gave no answer within ${limit} s (runtime.stepTimeout), and its thread was ended.`,
      ),
    );
  }, limit * 1000);
  try {
    return await answer;
  } finally {
    clearTimeout(timer);
  }
}

/** Throws ModelError unless the model has one input and a float32 output of five dimensions, as far as its file says. */
function checkShape(file: string, { inputs, outputs }: ModelShape): void {
  if (inputs.length !== 1) {
    throw new ModelError(
      `The model ${file} has ${inputs.length} inputs (${listNames(inputs.map(({ name }) => name))}), but it must have one.`,
    );
  }
  for (const [what, { name, type, dims }] of [
    ['input', inputs[0]],
    ['output', outputs[0]],
  ] as const) {
    if (type !== 'float32' || (dims.length !== 5 && dims.length !== 0)) {
      throw new ModelError(
        `The ${what} "${name}" of the model ${file} is ${type} of ${dims.length} dimensions, but it must be float32 of ` +
          'five: batch, channel and three axes.',
      );
    }
  }
}

async function probe(
  file: string,
  thread: SessionThread,
  roiSize: Vec3,
  channels: number,
  axes: ModelAxes,
): Promise<number> {
  const reply = await thread.ask({ kind: 'probe', roiSize, channels, axes });
  if (reply.kind !== 'probed') throw new ModelError(`The session answered "${reply.kind}" to a probe.`);
  const wanted = axes === 'xyz' ? roiSize : [...roiSize].reverse();
  if (reply.dims.length !== 5 || !wanted.every((n, axis) => reply.dims[axis + 2] === n)) {
    throw new ModelError(
      `For a window of ${show(wanted)} voxels the model ${file} gives an output of shape ${show(reply.dims)}, but its ` +
        'last three numbers must be the size of the window.',
    );
  }
  return reply.dims[1];
}

/** What a failing model is told as: on a GPU with the provider's name, for another one may run it. */
function modelFault({ file, provider }: SessionSetup, message: string): ModelError {
  if (/protobuf parsing failed/i.test(message)) {
    return new ModelError(`The model ${file} is no ONNX file, or a damaged one. Copy or download it again.`);
  }
  if (provider === 'cpu') return new ModelError(`The model ${file} failed: ${message}`);
  return new ModelError(
    `The model ${file} failed on ${provider}: ${message.trim().replace(/\.$/, '')}. Nothing was run on another device in its ` +
      `place: give --device cpu, or a form of the model whose operations ${provider} has.`,
  );
}

/** A worker thread that holds one session. */
type SessionThread = AskThread<SessionRequest, SessionReply>;

function startThread(setup: SessionSetup): SessionThread {
  const module = new URL('./sessionWorker.js', import.meta.url);
  return new AskThread(module, setup, setup.file, (message) => modelFault(setup, message));
}
