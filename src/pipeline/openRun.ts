import { resolve } from 'node:path';
import type { Case } from '../case.js';
import { OptionError } from '../errors.js';
import { makeFolder, writeFault } from '../formats/aside.js';
import { removePartials } from '../formats/files.js';
import { maskOf } from '../mask.js';
import { onlyDifferences } from '../operators/onlyDifferences.js';
import { Budget } from '../runtime/budget.js';
import { parseDevice } from '../runtime/device.js';
import { createRuntime, type Runtime, type RuntimeSettings } from '../runtime/runtime.js';
import type { Sink } from '../sinks/define.js';
import type { SourceItem } from '../sources/define.js';
import { writeCaseList } from './caseList.js';
import { checkNeeds } from './checkNeeds.js';
import { describePipeline } from './describePipeline.js';
import type { RunEvent } from './events.js';
import { expandPipeline } from './expandPipeline.js';
import { checkInputs, comparerFor, type InputCheck } from './expectations.js';
import { fuseSteps, type Stage } from './fuse.js';
import { fingerprint, Journal } from './journal.js';
import { lockFolder } from './lock.js';
import { type Admission, admission, estimatorFor, memoryBudget } from './memory.js';
import { Records, recordTargets } from './records.js';
import type { Expected } from './resume.js';
import type { RunOptions } from './runOptions.js';
import { choose, listCases } from './select.js';
import { claimTargets } from './targets.js';
import type { Pipeline } from './types.js';

/** Open cases with `inFlight: auto`: one being loaded, one on the device, and one being saved. */
export const defaultInFlight = 3;

/** A sink and its id. */
export interface OpenSink {
  readonly id: string;
  readonly sink: Sink;
}

/** A run that is ready for its first case: the folder is locked, models are loaded and sinks are open. */
export interface OpenRun extends Expected {
  readonly pipeline: Pipeline;
  readonly output: string;
  readonly runtime: Runtime;
  /** The cases in dataset order. */
  readonly items: readonly SourceItem[];
  readonly inFlight: number;
  /** In bytes. */
  readonly memory: number;
  readonly stages: readonly Stage[];
  readonly sinks: readonly OpenSink[];
  /** The folders that the run writes to. */
  readonly folders: ReadonlySet<string>;
  /** Called with the error of each case that fails. */
  readonly onFault?: RunOptions['onFault'];
  /** Whether cases fail that are not what a model expects. */
  readonly strict: boolean;
  readonly journal: Journal;
  readonly records: Records;
  /** Compares a case with what models expect. */
  readonly checkInput: InputCheck;
  /** Admits cases as the memory budget allows. */
  readonly admit: (subject: Case) => Promise<Admission>;
  /** Aborted if the lock on the folder is lost. */
  readonly lockLost: AbortSignal;
  /** By the clock of `performance.now()`, which does not jump. */
  readonly startedAt: number;
  /** Releases the folder, models and threads. */
  close(): Promise<void>;
}

/** Creates the runtime that a pipeline asks for. */
export function runtimeFor(
  { runtime }: Pipeline,
  settings: Pick<RuntimeSettings, 'modelFolders' | 'formsFolder' | 'onWarning'> = {},
): Runtime {
  return createRuntime({
    device: runtime.device,
    ...(runtime.workers !== 'auto' && { workers: runtime.workers }),
    stepTimeout: runtime.stepTimeout,
    ...settings,
  });
}

/**
 * Prepares everything that is needed before the first case.
 *
 * @throws VoxError if the dataset, a model or the output folder cannot be used. All resources are released in
 * that case.
 */
export async function openRun(
  given: Pipeline,
  options: RunOptions,
  onEvent: (event: RunEvent) => void,
): Promise<OpenRun> {
  const pipeline = await expandPipeline(given, options.runtime?.settings.modelFolders);
  checkSteps(pipeline);
  const started = new Date();
  const startedAt = performance.now();
  const output = resolve(pipeline.output);
  const onWarning = (message: string) => onEvent({ event: 'warning', message });
  const all = await listCases(pipeline.source.built.open({ onWarning }));
  const listed = choose(all, options);
  if (listed.length === 0) {
    throw new OptionError(
      'There are no cases to run: the dataset, or the part selected with --shard and --limit, is empty.',
    );
  }
  checkNeeds(pipeline, listed, onWarning);
  await makeFolder(output).catch((error) => {
    throw writeFault(output, error);
  });
  const lock = await lockFolder(output, { onWait: onWarning, signal: options.signal });
  const cleanUps: (() => Promise<unknown>)[] = [() => lock.release()];
  const close = async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  };
  try {
    const runtime = options.runtime ?? runtimeFor(pipeline, { onWarning });
    if (!options.runtime) cleanUps.push(() => runtime.close());
    const journal = new Journal(output, pipeline.secrets);
    const targets = pipeline.sinks.map(({ id, built }) => ({ id, targets: built.targets?.(output) ?? {} }));
    const { items, folders } = await claimTargets({
      output,
      items: listed,
      sinks: [{ id: 'run', targets: recordTargets(output) }, ...targets],
      finished: await journal.read(),
      overwrite: options.overwrite,
    });
    await removePartials(folders);
    cleanUps.push(await loadShared(pipeline, runtime));
    const checkInput = await checkInputs(await comparerFor(pipeline, runtime), items, {
      strict: options.strict,
      onWarning,
    });
    const { inFlight, seed } = pipeline.runtime;
    const sinks: OpenSink[] = [];
    for (const { id, built } of pipeline.sinks) {
      sinks.push({ id, sink: await built.open({ output, runtime, seed, secrets: pipeline.secrets }) });
    }
    const memory = memoryBudget(pipeline);
    const description = describePipeline(pipeline);
    const mask = maskOf(pipeline);
    const models = runtime.loaded();
    const identity = fingerprint(description.steps, description.sinks, models, pipeline.packages, seed);
    // A second case with the same id is rejected, so the id appears twice.
    const order = [...new Set(items.map(({ id }) => id))];
    const records = new Records(output, order, {
      pipeline: mask(description),
      files: pipeline.files,
      identity,
      models,
      device: runtime.device,
      started: started.toISOString(),
      cases: order.length,
      dataset: fingerprint(all.map(({ id }) => id)),
      ...(options.shard && { shard: options.shard }),
    });
    await records.start();
    await writeCaseList(
      output,
      items.map(({ id }) => id),
    );
    return {
      pipeline,
      output,
      runtime,
      items,
      inFlight: inFlight === 'auto' ? defaultInFlight : inFlight,
      memory,
      stages: fuseSteps(pipeline.steps, pipeline.fusions),
      sinks,
      identity,
      ...(models.length > 0 && { provider: parseDevice(runtime.device).provider }),
      targetsOf: (item) => targets.flatMap((one) => one.targets.ofCase?.(item) ?? []),
      contents: options.resume === 'checksum',
      journal,
      folders,
      checkInput,
      onFault: options.onFault,
      strict: options.strict ?? false,
      records,
      admit: admission(await estimatorFor(pipeline, runtime), new Budget(memory)),
      lockLost: lock.lost,
      startedAt,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Throws OptionError for a pipeline with a `train` block or with training-only steps. */
function checkSteps({ train, files, steps }: Pipeline): void {
  if (train) {
    throw new OptionError(
      `${files.join(', ')} has a train block. Run it with "voxstream train", or remove the block.`,
    );
  }
  const splitting = steps.find(({ definition }) => definition.splits);
  if (!splitting) return;
  throw new OptionError(
    `The step ${splitting.id} splits a case into several for training, but "run" produces one result ` +
      `per case. Use "voxstream train", or disable the step with --set ${splitting.id}.disabled=true.`,
  );
}

/** Loads what all cases share, e.g. models. Returns a function that releases it. */
async function loadShared({ steps }: Pipeline, runtime: Runtime): Promise<() => Promise<void>> {
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
