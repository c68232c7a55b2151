import '../onnx/noTelemetry.js';
import { Piscina } from 'piscina';
import { DataError, messageOf, VoxError } from '../errors.js';
import { processors } from '../machine.js';
import { countShared, voxelBytes } from '../volume/sharedMemory.js';
import { chooseDevice, type DeviceChoice, parseDevice } from './devices.js';
import { Lane } from './lane.js';
import type { ModelForm } from './modelForm.js';
import { findModel, type ModelFiles } from './models.js';
import { defaultStepTimeout, type LoadedModel, loadModel } from './sessions.js';
import { preloadable, type Task, type TaskFunction, task } from './task.js';

const preloadTask = task<typeof import('./runTask.js').preload>(
  new URL('./runTask.js', import.meta.url),
  'preload',
);

const runnableModelTask = task<typeof import('./modelForm.js').runnableModel>(
  new URL('./modelForm.js', import.meta.url),
  'runnableModel',
);

/** Where work runs: reading, writing and compressing; voxel kernels; models. */
export type LaneName = 'io' | 'cpu' | 'device';

/** The machine as operators see it. */
export interface Runtime {
  /**
   * Which device runs models: `cpu`, `webgpu`, `cuda:0,1`, …; as it was asked for (`auto`) until the first model is
   * loaded, then the one that was picked.
   */
  readonly device: string;
  /** Why that device was picked, and what of the models it leaves to the CPU: a clause. Nothing before there is a model. */
  readonly deviceNote: string | undefined;
  /** Waits for a place on a lane, holds it while `work` runs or until it calls `leave`, and gives it back. */
  on<T>(lane: LaneName, work: (leave: () => void) => Promise<T>): Promise<T>;
  /** Calls the function of a task in a worker thread. Voxels on SharedArrayBuffers are not copied. */
  run<F extends TaskFunction>(task: Task<F>, ...args: Parameters<F>): Promise<Awaited<ReturnType<F>>>;
  /**
   * A model by name or path (see `findModel`), in the form that suits its use and device (see `runnableModel`), loaded once
   * for all who ask and unloaded when all have called `release`.
   * Throws ModelError when it cannot be found or loaded.
   */
  model(name: string, form?: ModelForm): Promise<ModelLease>;
  /** A model's file and card, by name or path, without loading it; see `findModel`. */
  findModel(name: string): Promise<ModelFiles>;
  /** The models that were loaded so far: what a run's record names. */
  loaded(): readonly { readonly name: string; readonly sha256: string }[];
  /** The lanes, for those who show what they do. */
  readonly lanes: Readonly<Record<LaneName, Lane>>;
  /** Ends the worker threads and unloads the models. */
  close(): Promise<void>;
}

/** A share in a loaded model. */
export interface ModelLease extends ModelFiles {
  readonly model: LoadedModel;
  release(): Promise<void>;
}

/** How a runtime is sized. */
export interface RuntimeSettings {
  /** Device for models. Default: `auto`. */
  readonly device?: string;
  /** Worker threads for voxel kernels and files. Default: one per processor. */
  readonly workers?: number;
  /** Folders to look for models in, before the package's own. Default: none. */
  readonly modelFolders?: readonly string[];
  /** Seconds without a sign of life after which a thread is ended and what it did fails. Default: 1800. */
  readonly stepTimeout?: number;
  /** Where models are kept in the forms they are rewritten to. Default: in the user's cache folder. */
  readonly formsFolder?: string;
  /** Is told what a user should know and nothing stops for. */
  readonly onWarning?: (message: string) => void;
}

/** What a worker thread is sent. */
export interface TaskMessage {
  readonly module: string;
  readonly name: string;
  readonly args: readonly unknown[];
}

/** What a worker thread answers: a result, or an error whose class survives the crossing. */
export type TaskAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly expected: boolean; readonly message: string };

/** A runtime of its own, with worker threads that start with the first task. End it with `close`. */
export function createRuntime(settings: RuntimeSettings = {}): Runtime {
  const workers = settings.workers ?? processors;
  const limit = settings.stepTimeout ?? defaultStepTimeout;
  const lanes = { io: new Lane(2), cpu: new Lane(workers), device: new Lane(1) };
  const models = new Map<string, { loading: Promise<ModelFiles & { model: LoadedModel }>; users: number }>();
  const loaded = new Map<string, string>();
  let choice: Promise<DeviceChoice> | undefined;
  let chosen: DeviceChoice = { device: settings.device ?? 'auto' };
  const partlyOnCpu = new Set<string>();
  const load = async (name: string, form: ModelForm) => {
    const files = await findModel(name, settings.modelFolders);
    choice ??= chooseDevice(chosen.device);
    chosen = await choice;
    const { provider } = parseDevice(chosen.device);
    const runnable = await runtime.run(runnableModelTask, files, form, provider, settings.formsFolder);
    if (runnable.warning) settings.onWarning?.(runnable.warning);
    // The threads that the first case will need start while the sessions do.
    for (let i = 0; i < Math.min(workers, 4) + 1; i++)
      runtime.run(preloadTask, preloadable()).catch(() => {});
    const model = await loadModel(runnable, chosen.device, limit);
    loaded.set(files.card.name, files.sha256);
    if (model.partlyOnCpu) partlyOnCpu.add(files.card.name);
    return { ...files, model };
  };
  let pool: Piscina | undefined;
  const runtime: Runtime = {
    get device() {
      return chosen.device;
    },
    get deviceNote() {
      const notes = chosen.reason ? [chosen.reason] : [];
      for (const name of partlyOnCpu) notes.push(`some operations of ${name} run on the CPU`);
      return notes.join('; ') || undefined;
    },
    lanes,
    on: (lane, work) => lanes[lane].run(work),
    async run({ module, name }, ...args) {
      pool ??= new Piscina({
        filename: new URL('./worker.cjs', import.meta.url).href,
        // One is always started anew when one ends, or tasks that wait would wait for ever.
        minThreads: 1,
        maxThreads: workers + lanes.io.width,
        idleTimeout: 60_000,
        atomics: 'disabled',
      });
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(), limit * 1000);
      let answer: TaskAnswer;
      try {
        answer = await pool.run({ module, name, args } satisfies TaskMessage, { signal: late.signal });
      } catch (error) {
        throw late.signal.aborted ? tooLate(name, limit) : workerEnded(name, error);
      } finally {
        clearTimeout(timer);
      }
      if (answer.ok) {
        countShared(voxelBytes([answer.value]));
        return answer.value as never;
      }
      throw answer.expected ? new DataError(answer.message) : new VoxError(answer.message);
    },
    async model(name, form = {}) {
      const key = JSON.stringify([name, form.roiSize, form.onlyDifferences ?? false]);
      const entry = models.get(key) ?? { loading: load(name, form), users: 0 };
      models.set(key, entry);
      entry.users++;
      const release = async () => {
        if (--entry.users > 0) return;
        models.delete(key);
        await (await entry.loading).model.close();
      };
      try {
        return { ...(await entry.loading), release };
      } catch (error) {
        models.delete(key);
        throw error;
      }
    },
    findModel: (name) => findModel(name, settings.modelFolders),
    loaded: () => [...loaded].map(([name, sha256]) => ({ name, sha256 })),
    async close() {
      await Promise.all([...models.values()].map(async ({ loading }) => (await loading).model.close()));
      models.clear();
      await pool?.destroy();
      pool = undefined;
    },
  };
  return runtime;
}

function tooLate(task: string, limit: number): DataError {
  return new DataError(
    `The worker thread that did "${task}" was not done after ${limit} s (runtime.stepTimeout), and was ended. Run the case again with ` +
      '--resume; if it does take that long, raise runtime.stepTimeout.',
  );
}

function workerEnded(task: string, error: unknown): DataError {
  if ((error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new DataError(
      `The worker thread that did "${task}" ran out of memory. Run fewer cases at once (--in-flight 1), or let Node have more: ` +
        'NODE_OPTIONS=--max-old-space-size=8192 (MiB).',
    );
  }
  return new DataError(`The worker thread that did "${task}" ended: ${messageOf(error).replace(/\.$/, '')}.`);
}

let shared: Runtime | undefined;

/** The runtime that operators use when they are given none; its idle threads do not keep the process alive. */
export function defaultRuntime(): Runtime {
  shared ??= createRuntime();
  return shared;
}
