import { join, sep } from 'node:path';
import { joinPlace } from '../address.js';
import { OptionError } from '../errors.js';
import { removePartials } from '../formats/files.js';
import { maskOf } from '../mask.js';
import { createRuntime, type Runtime, type RuntimeSettings } from '../runtime/runtime.js';
import { endEarly } from '../runtime/sessionThread.js';
import type { SourceItem } from '../sources/define.js';
import { readSmall } from '../storage/places.js';
import { writeCaseList } from './caseList.js';
import { checkNeeds } from './checkNeeds.js';
import { checkDevice } from './checkRun.js';
import { describePipeline } from './describePipeline.js';
import { type Engine, openEngine } from './engine.js';
import type { RunEvent } from './events.js';
import { expandPipeline } from './expandPipeline.js';
import { fingerprint, Journal } from './journal.js';
import { type OutputFolder, openOutput } from './outputFolder.js';
import { Records, recordTargets } from './records.js';
import type { Expected } from './resume.js';
import type { RunOptions } from './runOptions.js';
import { choose, listCases } from './select.js';
import { claimTargets } from './targets.js';
import type { Pipeline } from './types.js';

/** The file in a run's folder with the name of the queued run that writes there. */
export const queuedFile = join('.voxstream', 'queue', 'open');

/** A run that is ready for its first case: the folder is locked, models are loaded and sinks are open. */
export interface OpenRun extends Engine, Expected {
  /** The cases in dataset order. */
  readonly items: readonly SourceItem[];
  /** The folders that the run writes to. */
  readonly folders: ReadonlySet<string>;
  /** Called with the error of each case that fails. */
  readonly onFault?: RunOptions['onFault'];
  readonly journal: Journal;
  readonly records: Records;
  readonly folder: OutputFolder;
  /** The files of the run as a whole. */
  readonly runFiles: readonly string[];
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
  const onWarning = (message: string) => onEvent({ event: 'warning', message });
  onEvent({ event: 'preparing', what: 'listing the cases' });
  const all = await listCases(pipeline.source.built.open({ onWarning }));
  const listed = choose(all, options);
  if (listed.length === 0) {
    throw new OptionError(
      'There are no cases to run: the dataset, or the part selected with --shard and --limit, is empty.',
    );
  }
  checkNeeds(pipeline, listed, onWarning);
  await refuseQueued(pipeline.output);
  const folder = await openOutput(pipeline.output, { onWait: onWarning, signal: options.signal });
  const output = folder.path;
  const cleanUps: (() => Promise<unknown>)[] = [() => folder.release()];
  const close = async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  };
  try {
    const runtime = options.runtime ?? runtimeFor(pipeline, { onWarning });
    // Models test the device when they are loaded.
    if (!pipeline.steps.some(({ built }) => built.prepare)) {
      void endEarly();
      await checkDevice(runtime.device);
    }
    if (!options.runtime) cleanUps.push(() => runtime.close());
    const journal = new Journal(output, pipeline.secrets, folder.saveLine);
    const targets = pipeline.sinks.map(({ id, built }) => ({ id, targets: built.targets?.(output) ?? {} }));
    const { items, folders } = await claimTargets({
      output,
      items: listed,
      sinks: [{ id: 'run', targets: recordTargets(output) }, ...targets],
      finished: await journal.read(),
      overwrite: options.overwrite,
      wasThere: folder.wasThere,
      origin: folder.origin,
    });
    await removePartials(folders);
    const { strict } = options;
    if (pipeline.steps.some(({ built }) => built.prepare)) {
      onEvent({ event: 'preparing', what: 'loading the models' });
    }
    const engine = await openEngine(pipeline, { output, runtime, items, strict, onWarning });
    cleanUps.push(() => engine.close());
    // A second case with the same id is rejected, so the id appears twice.
    const order = [...new Set(items.map(({ id }) => id))];
    const records = new Records(output, order, {
      pipeline: maskOf(pipeline)(describePipeline(pipeline)),
      files: pipeline.files,
      identity: engine.identity,
      models: engine.models,
      device: runtime.device,
      started: started.toISOString(),
      cases: order.length,
      dataset: fingerprint(all.map(({ id }) => id)),
      ...(options.shard && { shard: options.shard }),
    });
    const ids = items.map(({ id }) => id);
    // Each waits for the disk.
    await Promise.all([records.start(), writeCaseList(output, ids)]);
    return {
      ...engine,
      items,
      targetsOf: (item) => targets.flatMap((one) => one.targets.ofCase?.(item) ?? []).map(folder.origin),
      outputStates: folder.states,
      contents: options.resume === 'checksum',
      journal,
      folders,
      onFault: options.onFault,
      records,
      folder,
      runFiles: [...recordTargets(output).ofRun, ...targets.flatMap((one) => one.targets.ofRun ?? [])],
      startedAt,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Throws OptionError if the workers of a queue write to a folder. */
async function refuseQueued(output: string): Promise<void> {
  const text = await readSmall(joinPlace(output, ...queuedFile.split(sep)));
  if (text === undefined) return;
  const name = String(text);
  throw new OptionError(
    `The queued run ${name.trim()} writes to ${output}. Wait until it is over, end it with "voxstream cancel ` +
      `${name.trim()}", or give this run another folder with -o.`,
  );
}

/** Throws OptionError for a pipeline with a `train` block or with training-only steps. */
export function checkSteps({ train, files, steps }: Pipeline): void {
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
