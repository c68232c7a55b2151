import { ModelError } from '../errors.js';
import { type CellLabels, planLabels, type Summation, storedChannels } from '../volume/cellSums.js';
import { allocateLabels } from '../volume/classes.js';
import { labelPath } from '../volume/labelPath.js';
import { type Decision, largestLabel, type Range } from '../volume/labels.js';
import { allocate, type HistoryStep, type Vec3, type Volume, voxelCount } from '../volume/volume.js';
import { slabCount } from '../volume/wholeSums.js';
import { modelTurns } from '../volume/windowCells.js';
import { type ModelAxes, planWindows, type WindowSettings, windowWeights } from '../volume/windows.js';
import { NotStarted } from './askThread.js';
import { deviceSessions, spareSessions } from './deviceSessions.js';
import { Control, type InferenceJob, newControl, stopJob, type WholeLogits } from './inferenceJob.js';
import { checkOutput, checkShape, checkWindow } from './modelChecks.js';
import type { ModelShape, SessionSetup } from './sessionMessages.js';
import {
  endThreads,
  expectReply,
  type ReplyOf,
  SessionThread,
  startSessionThreads,
} from './sessionThread.js';
import { answerWithin, noProgress, watchJob } from './stuck.js';

/** A model as it is run. */
export interface RunnableModel {
  /** The ONNX file. */
  readonly file: string;
  /** The order of axes that this file reads. */
  readonly axes: ModelAxes;
  /** True when the output is one channel d that stands for the two logits (0, d). */
  readonly difference: boolean;
  /** Size of the output for one window, if known: models of many classes get fewer sessions on a CPU. */
  readonly outputBytes?: number;
  /** About how many bytes a session takes for it, if known: large models get fewer sessions on a CPU. */
  readonly sessionBytes?: number;
  /** The channels of the output, two for a difference. Default: the model is run once to count them. */
  readonly outputChannels?: number;
}

/** A model that is loaded into its session threads. */
export interface LoadedModel {
  readonly shape: ModelShape;
  /** How many session threads work on a volume together. */
  readonly sessions: number;
  /** On a GPU: some operations run on the CPU, because the provider does not support them. */
  readonly partlyOnCpu: boolean;
  /**
   * The number of output channels for windows of `roiSize` voxels and `channels` channels, found by running
   * the model once on zeros. Throws ModelError when the model does not take such windows, or its output has
   * another size.
   */
  outputChannels(roiSize: Vec3, channels: number): Promise<number>;
  /**
   * Slides the model over a volume; see the operator `inference`. The result holds the model's output, its
   * `logits`.
   *
   * @param batch Windows per run of the model; a CPU takes one at a time.
   */
  infer(volume: Volume, settings: InferSettings, batch: number, listeners?: InferListeners): Promise<Volume>;
  /**
   * Slides the model over a volume and turns its output into labels window by window: voxels whose sums are
   * complete are labelled, and their storage is used again. The labels are those of `infer` followed by the
   * decision, bit for bit.
   */
  inferLabels(
    volume: Volume,
    settings: InferSettings,
    batch: number,
    labels: LabelRequest,
    listeners?: InferListeners,
  ): Promise<Volume>;
  /**
   * Prepares the windows of a volume for several models, which run them in turns with `runTurn`. Their
   * outputs are added up in one place.
   *
   * @param request Makes labels as `inferLabels` does. Default: logits.
   */
  begin(
    volume: Volume,
    settings: InferSettings,
    batch: number,
    models: number,
    request?: LabelRequest,
  ): Promise<WindowWork>;
  /**
   * Runs the windows of a turn. The models must come in order in each turn, `place` from 0 on.
   *
   * @throws ModelError if its output has another number of channels than that of the first model.
   */
  runTurn(work: WindowWork, turn: Range, place: number, listeners?: InferListeners): Promise<void>;
  /** Ends the session threads. */
  close(): Promise<void>;
}

/** The windows of a volume that several models run, and their result. */
export interface WindowWork {
  readonly job: Omit<InferenceJob, 'control' | 'models'>;
  readonly models: number;
  /** In each turn, every model runs these windows. */
  readonly turns: readonly Range[];
  /** Complete when all models had all turns. */
  readonly result: Volume;
}

/** Windows that a model runs before the next one does, where labels are made. */
export const windowsPerTurn = 16;

/** How a model slides over a volume. */
export interface InferSettings extends WindowSettings {
  /** Axes of the volume along which windows are mirrored; see `InferenceJob`. Default: none. */
  readonly mirror?: readonly number[];
}

/** Labels to make of a model's output. */
export interface LabelRequest {
  readonly decision: Decision;
  /**
   * Geometric steps of the volume to undo before the decision; see `labelPath`. Default: the labels are on
   * the grid of the volume.
   */
  readonly undo?: readonly HistoryStep[];
}

/** What is reported while a model slides over a volume. */
export interface InferListeners {
  /**
   * Called each time a session finds no window left. Others may still be at their last, but the next volume
   * may start.
   */
  readonly onDrained?: () => void;
  /** Called about twice a second with the number of windows that are done, if it changed. */
  readonly onWindows?: (done: number, all: number) => void;
}

/** Milliseconds between two reports of windows. */
const windowsInterval = 500;

/** How models are loaded; see `RuntimeSettings`. */
export interface LoadSettings {
  readonly stepTimeout: number;
  readonly collectGarbage: boolean;
}

/** What the windows of a volume have in common, whatever is made of them. */
type Windows = Omit<InferenceJob, 'control' | 'models' | 'steps' | 'result'>;

/**
 * Loads a model into one thread per session of a device. Throws ModelError when it cannot be loaded.
 *
 * @param started Threads of `startSessionThreads`. Those that the model does not need are ended.
 */
export async function loadModel(
  model: RunnableModel,
  device: string,
  { stepTimeout, collectGarbage }: LoadSettings,
  started = startSessionThreads(device),
): Promise<LoadedModel> {
  const { file } = model;
  const setups = deviceSessions(device, model).map((session) => ({ ...session, file, collectGarbage }));
  const threads = started.slice(0, setups.length);
  const spare = endThreads(started.slice(setups.length));
  try {
    const opened = await Promise.all(threads.map((thread, i) => thread.open(setups[i], stepTimeout)));
    checkShape(file, opened[0].shape);
    return new ModelSessions(model, setups, threads, opened[0], stepTimeout);
  } catch (error) {
    await endThreads(threads);
    throw error;
  } finally {
    await spare;
  }
}

class ModelSessions implements LoadedModel {
  readonly shape: ModelShape;
  readonly partlyOnCpu: boolean;
  readonly #jobs = new Set<InferenceJob>();
  readonly #outputChannels = new Map<string, Promise<number>>();

  constructor(
    readonly model: RunnableModel,
    readonly setups: SessionSetup[],
    readonly threads: SessionThread[],
    opened: ReplyOf<'opened'>,
    readonly limit: number,
  ) {
    this.shape = opened.shape;
    this.partlyOnCpu = opened.partlyOnCpu;
  }

  get sessions(): number {
    return this.threads.length;
  }

  async outputChannels(roiSize: Vec3, channels: number): Promise<number> {
    const found = await this.#fileChannels(roiSize, channels);
    return this.model.difference ? 2 : found;
  }

  /** The output channels of the file: one that stands for two logits counts as one. */
  #fileChannels(roiSize: Vec3, channels: number): Promise<number> {
    const { outputChannels, difference } = this.model;
    if (outputChannels !== undefined) return Promise.resolve(difference ? 1 : outputChannels);
    const key = `${roiSize} ${channels}`;
    const known = this.#outputChannels.get(key);
    if (known) return known;
    const probing = this.#firstRuns(roiSize, channels);
    this.#outputChannels.set(key, probing);
    probing.catch(() => this.#outputChannels.delete(key));
    return probing;
  }

  /** Runs each session once, since a session's first run is slow. Returns the number of output channels. */
  async #firstRuns(roiSize: Vec3, channels: number): Promise<number> {
    const [first, ...others] = this.threads.map(
      (thread) => () =>
        answerWithin(this.limit, thread, this.#probe(thread, roiSize, channels), this.model.file),
    );
    const found = await first();
    const runs = others.map((run) => run());
    if (this.setups[0].provider === 'cpu') {
      // They run while the first case is read. If one of them fails here, it fails again on the case.
      for (const run of runs) run.catch(() => {});
      return found;
    }
    const outcomes = await Promise.allSettled([found, ...runs]);
    await this.#endSessions(outcomes.flatMap(({ status }, at) => (status === 'rejected' ? [at] : [])));
    return found;
  }

  /** Ends sessions whose first run failed, if others on the same GPU can do the work. */
  async #endSessions(failed: readonly number[]): Promise<void> {
    for (const at of spareSessions(this.setups, failed).toReversed()) {
      const [thread] = this.threads.splice(at, 1);
      this.setups.splice(at, 1);
      await thread.close();
    }
  }

  async #probe(thread: SessionThread, roiSize: Vec3, channels: number): Promise<number> {
    const { file, axes } = this.model;
    checkWindow(file, roiSize, channels);
    const { dims } = expectReply(await thread.ask({ kind: 'probe', roiSize, channels, axes }), 'probed');
    checkOutput(file, dims, roiSize, axes);
    return dims[1];
  }

  async infer(
    volume: Volume,
    settings: InferSettings,
    batch: number,
    listeners?: InferListeners,
  ): Promise<Volume> {
    return this.#runAlone(await this.begin(volume, settings, batch, 1), listeners);
  }

  async inferLabels(
    volume: Volume,
    settings: InferSettings,
    batch: number,
    request: LabelRequest,
    listeners?: InferListeners,
  ): Promise<Volume> {
    return this.#runAlone(await this.begin(volume, settings, batch, 1, request), listeners);
  }

  async #runAlone(work: WindowWork, listeners?: InferListeners): Promise<Volume> {
    for (const turn of work.turns) await this.runTurn(work, turn, 0, listeners);
    return work.result;
  }

  async begin(
    volume: Volume,
    settings: InferSettings,
    batch: number,
    models: number,
    request?: LabelRequest,
  ): Promise<WindowWork> {
    const summation = await this.#summation(volume, settings);
    const windows = { ...this.#windowsOf(volume, settings, batch), ...summation };
    return request
      ? this.#labelWork(volume, windows, models, request)
      : this.#logitsWork(volume, windows, models);
  }

  #logitsWork(volume: Volume, windows: Windows, models: number): WindowWork {
    const { outChannels, plan } = windows;
    const count = voxelCount(volume.size);
    // One channel that stands for the logits (0, d) is written behind a channel of zeros.
    const channels = this.model.difference ? 2 : outChannels;
    const data = allocate('float32', count * channels);
    const result: WholeLogits = { out: data.subarray(data.length - count * outChannels) };
    return {
      job: { ...windows, steps: plan.count, result },
      models,
      turns: [{ start: 0, end: plan.count }],
      result: { ...volume, data, channels, kind: 'logits' },
    };
  }

  #labelWork(volume: Volume, windows: Windows, models: number, { decision, undo }: LabelRequest): WindowWork {
    const { outChannels, weights, plan } = windows;
    const { difference } = this.model;
    const path = undo && labelPath(volume, undo);
    if (undo && !path) throw new RangeError('These steps cannot be undone in one pass.');
    const perTurn = models > 1 ? windowsPerTurn : 1;
    const isWeighted = weights !== undefined;
    const cells = planLabels(plan, volume.size, outChannels, isWeighted, undo !== undefined, perTurn);
    const { size, affine } = path?.grid ?? volume;
    const labels = allocateLabels(largestLabel(difference ? 2 : outChannels, decision), voxelCount(size));
    const result: CellLabels = {
      cells,
      storage: allocate('float32', cells.voxels * storedChannels(outChannels, isWeighted)),
      difference,
      decision,
      ...(path && { path }),
      labels,
    };
    const history = undo ? [] : volume.history;
    return {
      job: { ...windows, steps: cells.steps, result },
      models,
      turns: models > 1 ? modelTurns(cells, perTurn) : [{ start: 0, end: cells.steps }],
      result: { ...volume, size, affine, data: labels, channels: 1, kind: 'label', history },
    };
  }

  async runTurn(
    { job, models }: WindowWork,
    turn: Range,
    place: number,
    { onDrained, onWindows }: InferListeners = {},
  ): Promise<void> {
    await this.#restartEnded();
    const { file, axes } = this.model;
    const outChannels = await this.#fileChannels(job.plan.roiSize, job.channels);
    if (outChannels !== job.outChannels) {
      throw new ModelError(
        `${file} gives ${outChannels} channel(s), but the model before it gives ${job.outChannels}, so their outputs ` +
          'cannot be averaged.',
      );
    }
    const length = turn.end - turn.start;
    const before = models * turn.start + place * length;
    await this.#run(
      { ...job, axes, steps: turn.end, models: { place, count: models } },
      turn.start,
      onDrained,
      onWindows && ((done) => onWindows(before + done - turn.start, models * job.steps)),
    );
  }

  async #summation({ size, channels }: Volume, settings: WindowSettings): Promise<Summation> {
    await this.#restartEnded();
    const plan = planWindows(size, settings);
    checkWindow(this.model.file, plan.roiSize, channels);
    const weights = windowWeights(plan.roiSize, settings);
    const outChannels = await this.#fileChannels(plan.roiSize, channels);
    return { plan, size, axes: this.model.axes, outChannels, weights };
  }

  #windowsOf({ data, channels }: Volume, settings: InferSettings, batch: number) {
    return {
      data,
      channels,
      padding: settings,
      mirror: settings.mirror ?? [],
      batch: this.setups[0].provider === 'cpu' ? 1 : batch,
    };
  }

  async #run(
    given: Omit<InferenceJob, 'control'>,
    first: number,
    onDrained: (() => void) | undefined,
    onWindows: ((done: number) => void) | undefined,
  ): Promise<void> {
    const slabs = 'out' in given.result ? slabCount(given.size) : 0;
    const job = { ...given, control: newControl(first, slabs) };
    this.#jobs.add(job);
    const endReports = onWindows && reportWindows(job, onWindows);
    try {
      await this.#runJob(job, onDrained);
    } finally {
      endReports?.();
      this.#jobs.delete(job);
    }
  }

  async #runJob(job: InferenceJob, onDrained?: () => void): Promise<void> {
    const open = new Set(this.threads);
    const endWatch = watchJob(job, this.limit, () => {
      for (const thread of open) thread.abandon(noProgress(this.model.file, this.limit, job));
    });
    const run = async (thread: SessionThread) => {
      try {
        await thread.ask({ kind: 'infer', job });
        onDrained?.();
      } catch (error) {
        // When a thread ends before it started this volume, the others take its windows.
        if (!(error instanceof NotStarted)) stopJob(job.control);
        throw error;
      } finally {
        open.delete(thread);
      }
    };
    const outcomes = await Promise.allSettled(this.threads.map(run));
    endWatch();
    const faults = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    const done = faults.length < outcomes.length;
    const fault = faults.find((error) => !(done && error instanceof NotStarted));
    if (fault) throw fault;
  }

  /** Replaces threads that died or were abandoned, so that they do not fail later cases. */
  async #restartEnded(): Promise<void> {
    await Promise.all(
      this.threads.map(async ({ ended }, i) => {
        if (!ended) return;
        const thread = new SessionThread();
        this.threads[i] = thread;
        await thread.open(this.setups[i], this.limit);
      }),
    );
  }

  async close(): Promise<void> {
    for (const { control } of this.#jobs) stopJob(control);
    await endThreads(this.threads);
  }
}

/** Reports a job's windows until the returned function is called. */
function reportWindows({ control, steps }: InferenceJob, onWindows: (done: number) => void): () => void {
  let last = -1;
  const report = () => {
    const done = Math.min(steps, Atomics.load(control, Control.added));
    if (done !== last) onWindows(done);
    last = done;
  };
  report();
  const timer = setInterval(report, windowsInterval).unref();
  return () => {
    clearInterval(timer);
    report();
  };
}
