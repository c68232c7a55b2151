import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isAddress } from '../address.js';
import { messageOf, OptionError, VoxError } from '../errors.js';
import { removePartials } from '../formats/files.js';
import { cacheFolder } from '../machine.js';
import { type Mask, maskError, maskEvent, maskOf } from '../mask.js';
import { sizeOf } from '../onnx/tensor.js';
import { trainableWeights } from '../onnx/training/weights.js';
import { describeChoice, describePipeline } from '../pipeline/describePipeline.js';
import { type OutputFolder, openOutput } from '../pipeline/outputFolder.js';
import type { TrainBlock } from '../pipeline/trainBlock.js';
import type { Pipeline } from '../pipeline/types.js';
import type { Runtime } from '../runtime/runtime.js';
import { trainedCard } from './card.js';
import { CaseNotes } from './caseNotes.js';
import type { TrainEvent } from './events.js';
import { FailedCases } from './failedCases.js';
import { type PreparedTraining, prepareTraining } from './prepareTraining.js';
import { type BestModel, type EpochRow, epochsDone } from './progress.js';
import { TrainRecords } from './records.js';
import {
  type DoneStep,
  type EndedEpoch,
  type EndReason,
  type LoopParts,
  TrainingLoop,
} from './trainingLoop.js';
import { type ModelValidator, Validator, type ValidatorSetup } from './validate.js';

/** How a training is run. */
export interface TrainOptions {
  /** Continue from the last checkpoint in the output folder. Default: false. */
  readonly resume?: boolean;
  /** Replace a training in the output folder. Default: false. */
  readonly overwrite?: boolean;
  /** Aborting it ends the training after the current step or validation and saves the state. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: TrainEvent) => void;
  /** Called with the error of each case that cannot be used. */
  readonly onFault?: (caseId: string, error: unknown) => void;
  readonly runtime: Runtime;
  /** Folders to search for the model to start from, before the package's own. */
  readonly modelFolders?: readonly string[];
  /** The command line, for the model's card and run.json. */
  readonly command?: string;
  /** Makes what validates the model, in place of the steps of the pipeline's validation. */
  readonly validator?: (setup: ValidatorSetup) => ModelValidator;
  /** Called after each epoch. The training waits for it. */
  readonly afterEpoch?: (epoch: EndedEpoch) => Promise<void>;
  /** Called after each step. The training waits for it. */
  readonly afterStep?: (step: DoneStep) => Promise<void>;
}

/** How a training ended. */
export interface TrainResult {
  readonly reason: EndReason;
  readonly rows: readonly EpochRow[];
  readonly best?: BestModel;
  /** Ids of the cases that could not be used. */
  readonly failed: readonly string[];
  /** The folder of the trained model. Undefined if the training was interrupted before there was one. */
  readonly model?: string;
}

/** Where rewritten forms of the model in training are kept during a validation: always on this machine. */
export function formsFolder(output: string): string {
  return isAddress(output)
    ? join(cacheFolder(), 'outputs', `forms-${process.pid}`)
    : join(output, '.voxstream', 'forms');
}

/**
 * Trains a network as a pipeline's `train` block says. The pipeline's steps turn cases into patches, and each
 * batch of patches is a step. Writes to the output folder: `model` (the best one, or the last one without a
 * validation), `checkpoint` (the last and the best state), `train.csv`, `failures.csv`, `run.json`, `report`
 * and `tensorboard`.
 *
 * Random numbers are functions of the seed and of counters, and checkpoints hold the whole state. A training
 * that was interrupted and resumed gives bit-identical weights to one that was not, on the same machine and
 * device.
 *
 * @throws VoxError before the first step if the dataset, the network or the output folder is not usable.
 */
export async function runTraining(pipeline: Pipeline, options: TrainOptions): Promise<TrainResult> {
  const { train } = pipeline;
  if (!train) {
    throw new OptionError(
      `${pipeline.files.join(', ')} has no train block, so there is nothing to train. Run it with ` +
        '"voxstream run".',
    );
  }
  const mask = maskOf(pipeline);
  try {
    return await trainLocked(pipeline, train, options, mask);
  } catch (error) {
    throw maskError(mask, error);
  }
}

/** Locks the output folder and trains into it. */
async function trainLocked(
  pipeline: Pipeline,
  train: TrainBlock,
  options: TrainOptions,
  mask: Mask,
): Promise<TrainResult> {
  const onEvent = (event: TrainEvent) => options.onEvent?.(maskEvent(mask, event));
  const failed = new FailedCases((id, message, error) => {
    onEvent({ event: 'caseFailed', case: id, message });
    options.onFault?.(id, error);
  }, mask);
  const notes = new CaseNotes((id, message) => onEvent({ event: 'warning', case: id, message }), mask);
  const folder = await openOutput(pipeline.output, {
    signal: options.signal,
    onWait: (message) => onEvent({ event: 'warning', message }),
  });
  const stopped = () => {
    folder.lost.throwIfAborted();
    return options.signal?.aborted ?? false;
  };
  try {
    await removePartials(foldersOf(folder.path));
    await folder.mirror();
    return await trainInto(folder, pipeline, train, { ...options, onEvent, stopped, failed, notes });
  } catch (error) {
    // The folder of one at an address is a copy.
    if (error instanceof VoxError) error.message = error.message.replaceAll(folder.path, folder.place);
    throw error;
  } finally {
    failed.close();
    await rm(formsFolder(pipeline.output), { recursive: true, force: true });
    await folder.release();
  }
}

/** The folders that a training writes to. */
function foldersOf(output: string): string[] {
  const inside = ['', 'checkpoint', 'model', 'report', 'tensorboard', '.voxstream', '.voxstream/validation'];
  return inside.map((folder) => join(output, folder));
}

/** Trains into a folder that is locked. */
async function trainInto(
  folder: OutputFolder,
  pipeline: Pipeline,
  train: TrainBlock,
  options: TrainOptions & Pick<LoopParts, 'onEvent' | 'stopped' | 'failed' | 'notes'>,
): Promise<TrainResult> {
  const output = folder.path;
  const started = new Date();
  const startedAt = performance.now();
  const { runtime, onEvent, stopped, failed, notes } = options;
  const metric = train.validation?.metric;
  const onWarning = (message: string) => onEvent({ event: 'warning', message });
  const keepLogits = options.afterStep !== undefined;
  const prepared = await prepareTraining(pipeline, train, { ...options, folder, onWarning, keepLogits });
  try {
    const { cases, validationCases, trainer, graph, base, classes, patch } = prepared;
    const stepsPerEpoch = Math.floor(cases.length / train.batchSize);
    const records = new TrainRecords({
      output,
      name: pipeline.name,
      metric,
      step: prepared.progress.step,
      provenance: provenanceOf(pipeline, train, prepared, started, options.command),
    });
    await records.write(prepared.progress.rows, failed.messages, notes.all);
    await folder.sendRest([]);
    onEvent(startEvent(pipeline, train, prepared, stepsPerEpoch));
    const setup = {
      cases: validationCases,
      runtime,
      output,
      seed: pipeline.runtime.seed,
      onFailure: failed.note,
      onNotes: notes.add,
    };
    const validator =
      train.validation &&
      (options.validator?.(setup) ?? new Validator(train.validation, pipeline.fusions, setup));
    const card = trainedCard(pipeline, train, {
      graph,
      axes: trainer.axes,
      patch,
      classes,
      labelNames: cases[0].labelNames ?? base?.card.labels,
      cases: cases.length,
      base,
      command: options.command,
    });
    const loop = new TrainingLoop({
      output,
      train,
      prepared,
      validator,
      records,
      failed,
      notes,
      rateAt: train.schedule.built({
        rate: train.optimizer.built.learningRate,
        epochs: train.epochs,
        steps: stepsPerEpoch * train.epochs,
      }),
      card: (progress) => card(progress, metric),
      stopped,
      onSaved: () =>
        folder
          .sendRest([])
          .catch((error) => onWarning(`${messageOf(error)} The training goes on, and tries again later.`)),
      onEvent,
      ...(options.afterEpoch && { afterEpoch: options.afterEpoch }),
      ...(options.afterStep && { afterStep: options.afterStep }),
    });
    const reason = await loop.run();
    const { best, rows, step } = loop.progress;
    const epochs = epochsDone(loop.progress);
    const seconds = (performance.now() - startedAt) / 1000;
    await records.end({ reason, steps: step, epochs, best, seconds, notes: notesByCase(notes.all) });
    await folder.sendRest([]);
    const bestEvent = best && metric && { best: { epoch: best.epoch, metric, value: best.value } };
    onEvent({ event: 'end', epochs, steps: step, reason, ...bestEvent, seconds });
    const hasModel = best !== undefined || (!validator && step > 0);
    return {
      reason,
      rows,
      best,
      failed: [...failed.messages.keys()],
      ...(hasModel && { model: folder.origin(join(output, 'model')) }),
    };
  } finally {
    // Before the threads end, which makes the cases prepared ahead fail.
    failed.close();
    await prepared.trainer.close();
  }
}

/** What was assumed about each case, as in `summary.json`. */
function notesByCase(notes: CaseNotes['all']): Record<string, string[]> {
  const byCase: Record<string, string[]> = {};
  for (const [id, text] of notes) (byCase[id] ??= []).push(text);
  return byCase;
}

/** What run.json says of a training, besides how it ended. */
function provenanceOf(
  pipeline: Pipeline,
  train: TrainBlock,
  { identity, device, trainer, base, cases, validationCases }: PreparedTraining,
  started: Date,
  command: string | undefined,
) {
  return maskOf(pipeline)({
    pipeline: describePipeline(pipeline),
    files: pipeline.files,
    identity,
    command,
    device,
    replicas: trainer.replicas,
    network: train.network ? describeChoice(train.network) : { model: base?.card.name, sha256: base?.sha256 },
    cases: cases.map(({ id }) => id),
    validationCases: validationCases.map(({ id }) => id),
    started: started.toISOString(),
  });
}

function startEvent(
  { name, output }: Pipeline,
  { epochs }: TrainBlock,
  { cases, validationCases, first, patch, graph, device, trainer, progress, resumed }: PreparedTraining,
  stepsPerEpoch: number,
): TrainEvent {
  const weights = trainableWeights(graph).map((weight) => graph.initializers.get(weight)?.dims ?? []);
  return {
    event: 'start',
    pipeline: name,
    output,
    cases: cases.length,
    validationCases: validationCases.length,
    epochs,
    stepsPerEpoch,
    patches: first.cases.length,
    patch,
    parameters: weights.reduce((sum, dims) => sum + sizeOf(dims), 0),
    device,
    replicas: trainer.replicas,
    ...(resumed && { resumedAt: progress.step }),
  };
}
