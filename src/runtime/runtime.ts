import { OptionError } from '../errors.js';
import { processors } from '../machine.js';
import { collectGarbage } from './garbage.js';
import { Lane } from './lane.js';
import type { LoadSettings } from './loadModel.js';
import { type ModelRecord, type ModelShare, type NamedModel, SharedModels } from './sharedModels.js';
import { defaultStepTimeout, longestStepTimeout } from './stuck.js';
import type { Task, TaskFunction } from './task.js';
import { TaskPool } from './taskPool.js';

/** Where work runs: reading, writing and compressing; voxel kernels; models. */
export type LaneName = 'io' | 'cpu' | 'device';

/** The machine as operators see it. */
export interface Runtime {
  /**
   * The device that runs models: `cpu`, `webgpu`, `cuda:0,1`, …. Until the first model is loaded, the device
   * as it was asked for (`auto`).
   */
  readonly device: string;
  /**
   * Why that device was chosen, and which models it leaves partly to the CPU. Undefined before a model is
   * loaded.
   */
  readonly deviceNote: string | undefined;
  /** The settings that the runtime was created with. */
  readonly settings: RuntimeSettings;
  /** Waits for a place on a lane and holds it while `work` runs, or until it calls `leave`. */
  on<T>(lane: LaneName, work: (leave: () => void) => Promise<T>): Promise<T>;
  /**
   * Calls the function of a task in a worker thread. Voxels on SharedArrayBuffers are not copied.
   *
   * @throws The function's error: a VoxError of its class, any other error as an Error of the same name, with
   * the error of the thread as its `cause`. DataError when the thread ends or exceeds `stepTimeout`, which
   * does not apply to uninterruptible tasks.
   */
  run<F extends TaskFunction>(task: Task<F>, ...args: Parameters<F>): Promise<Awaited<ReturnType<F>>>;
  /**
   * Loads a model into session threads: once for all callers with the same `key`. It is unloaded when all
   * have called `release`. See `openModel`, which also finds models.
   *
   * @param find Finds the model, in the form for an execution provider.
   * @throws ModelError when the model cannot be loaded.
   */
  load<M extends NamedModel>(key: string, find: (provider: string) => Promise<M>): Promise<ModelShare<M>>;
  /** The models that were loaded so far, for records of the run. */
  loaded(): readonly ModelRecord[];
  /** The lanes, for progress displays. */
  readonly lanes: Readonly<Record<LaneName, Lane>>;
  /** Ends the worker threads and unloads the models. */
  close(): Promise<void>;
}

/** Settings of a runtime. */
export interface RuntimeSettings {
  /** Device for models. Default: `auto`. */
  readonly device?: string;
  /** Worker threads for voxel kernels and files. Default: one per processor. */
  readonly workers?: number;
  /** Folders to look for models in, before the package's own. Default: none. */
  readonly modelFolders?: readonly string[];
  /** Seconds without progress after which a thread is stopped and its case fails. Default: 1800. */
  readonly stepTimeout?: number;
  /** Where rewritten models are kept. Default: in the user's cache folder. */
  readonly formsFolder?: string;
  /**
   * Collect garbage as volumes pass through a thread: 5 to 15 ms for each 32 MiB of voxels. V8 does not count
   * shared memory, so without this the volumes of finished cases pile up. It applies to the calling thread
   * too and sets V8's flag `--expose-gc` for the process; set it to false where a host program must not be
   * paused. Default: true.
   */
  readonly collectGarbage?: boolean;
  /** Called with non-fatal warnings. */
  readonly onWarning?: (message: string) => void;
}

function checkSettings({ workers = 1, stepTimeout = 1 }: RuntimeSettings): void {
  if (!Number.isInteger(workers) || workers < 1 || workers > 1024) {
    throw new OptionError(`workers must be a whole number from 1 to 1024, but it is ${workers}.`);
  }
  if (!(stepTimeout > 0 && stepTimeout <= longestStepTimeout)) {
    throw new OptionError(
      `stepTimeout must be more than 0 and at most ${longestStepTimeout} s (24 days), but it is ${stepTimeout}.`,
    );
  }
}

/** Creates a runtime. Its threads start with the first task; end them with `close`. */
export function createRuntime(settings: RuntimeSettings = {}): Runtime {
  checkSettings(settings);
  const workers = settings.workers ?? processors;
  const load: LoadSettings = {
    stepTimeout: settings.stepTimeout ?? defaultStepTimeout,
    collectGarbage: settings.collectGarbage ?? true,
  };
  const lanes = { io: new Lane(filesAtOnce(workers)), cpu: new Lane(workers), device: new Lane(1) };
  const pool = new TaskPool(workers + lanes.io.width, load);
  const models = new SharedModels(settings.device ?? 'auto', load);
  if (load.collectGarbage) collectGarbage();
  return {
    get device() {
      return models.device;
    },
    get deviceNote() {
      return models.deviceNote;
    },
    settings,
    lanes,
    on: (lane, work) => lanes[lane].run(work),
    run: (task, ...args) => pool.run(task, args),
    async load(key, find) {
      const loading = models.load(key, find);
      // The threads for the first case start meanwhile.
      pool.start(Math.min(workers, 4));
      return loading;
    },
    loaded: () => models.loaded(),
    async close() {
      await models.close();
      await pool.close();
    },
  };
}

/**
 * How many files are read, written or compressed at once: two, so that one case is read while another one is
 * written, or a quarter of many processors.
 */
function filesAtOnce(workers: number): number {
  return Math.max(2, Math.floor(workers / 4));
}

let shared: Runtime | undefined;

/** The runtime of operators that are given none. Its idle threads do not keep the process alive. */
export function defaultRuntime(): Runtime {
  shared ??= createRuntime();
  return shared;
}
