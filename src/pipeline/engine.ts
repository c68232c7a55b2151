import type { Case } from '../case.js';
import { onlyDifferences } from '../operators/onlyDifferences.js';
import { Budget } from '../runtime/budget.js';
import { parseDevice } from '../runtime/device.js';
import type { Runtime } from '../runtime/runtime.js';
import type { ModelRecord } from '../runtime/sharedModels.js';
import type { Sink } from '../sinks/define.js';
import type { SourceItem } from '../sources/define.js';
import { describePipeline } from './describePipeline.js';
import { checkInputs, comparerFor, type InputCheck } from './expectations.js';
import { fuseSteps, type Stage } from './fuse.js';
import { fingerprint } from './journal.js';
import { type Admission, admission, estimatorFor, memoryBudget } from './memory.js';
import type { Pipeline } from './types.js';

/**
 * Open cases with `inFlight: auto`: one on the device, as many as are read or written at once, and one more
 * per eight processors for the steps between. Three on a machine of few processors. The memory budget may
 * admit fewer.
 */
export function autoInFlight({ lanes }: Runtime): number {
  return lanes.device.width + lanes.io.width + Math.floor(lanes.cpu.width / 8);
}

/** A sink and its id. */
export interface OpenSink {
  readonly id: string;
  readonly sink: Sink;
}

/** What cases run in: models are loaded and sinks are open. */
export interface Engine {
  readonly pipeline: Pipeline;
  /** The output folder: an absolute path. */
  readonly output: string;
  readonly runtime: Runtime;
  readonly models: readonly ModelRecord[];
  /** The fingerprint of the pipeline and its models. */
  readonly identity: string;
  /** The execution provider that runs the models; undefined without models. */
  readonly provider?: string;
  readonly inFlight: number;
  /** In bytes. */
  readonly memory: number;
  readonly stages: readonly Stage[];
  readonly sinks: readonly OpenSink[];
  /** Whether cases fail that are not what a model expects. */
  readonly strict: boolean;
  /** Compares a case with what models expect. */
  readonly checkInput: InputCheck;
  /** Admits cases as the memory budget allows. */
  readonly admit: (subject: Case) => Promise<Admission>;
  /** Unloads the models. The runtime stays open. */
  close(): Promise<void>;
}

/** How an engine is opened. */
export interface EngineOptions {
  readonly output: string;
  readonly runtime: Runtime;
  /** The sinks to open. Default: all of the pipeline. */
  readonly sinks?: Pipeline['sinks'];
  /** The cases, as far as they are known. With `strict`, the first one is checked. */
  readonly items?: readonly SourceItem[];
  readonly strict?: boolean;
  readonly onWarning: (message: string) => void;
}

/**
 * Loads the models of a pipeline and opens its sinks.
 *
 * @throws VoxError if a model or a sink cannot be used.
 */
export async function openEngine(
  pipeline: Pipeline,
  { output, runtime, sinks = pipeline.sinks, items = [], strict = false, onWarning }: EngineOptions,
): Promise<Engine> {
  const close = await loadShared(pipeline, runtime);
  try {
    const checkInput = await checkInputs(await comparerFor(pipeline, runtime), items, { strict, onWarning });
    const { inFlight, seed } = pipeline.runtime;
    const open: OpenSink[] = [];
    for (const { id, built } of sinks) {
      open.push({ id, sink: await built.open({ output, runtime, seed, secrets: pipeline.secrets }) });
    }
    const memory = memoryBudget(pipeline);
    const description = describePipeline(pipeline);
    const models = runtime.loaded();
    return {
      pipeline,
      output,
      runtime,
      models,
      identity: fingerprint(description.steps, description.sinks, models, pipeline.packages, seed),
      ...(models.length > 0 && { provider: parseDevice(runtime.device).provider }),
      inFlight: inFlight === 'auto' ? autoInFlight(runtime) : inFlight,
      memory,
      stages: fuseSteps(pipeline.steps, pipeline.fusions),
      sinks: open,
      strict,
      checkInput,
      admit: admission(await estimatorFor(pipeline, runtime), new Budget(memory)),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Loads what all cases share, e.g. models. Returns a function that releases it. */
export async function loadShared(
  { steps }: Pick<Pipeline, 'steps'>,
  runtime: Runtime,
): Promise<() => Promise<void>> {
  const releases: (() => Promise<void>)[] = [];
  const release = async () => {
    for (const one of releases.reverse()) await one();
  };
  try {
    for (const [at, step] of steps.entries()) {
      const differences = onlyDifferences(step, steps[at + 1]);
      const one = await step.built.prepare?.({ id: step.id, runtime, onlyDifferences: differences });
      if (one) releases.push(one);
    }
    return release;
  } catch (error) {
    await release();
    throw error;
  }
}
