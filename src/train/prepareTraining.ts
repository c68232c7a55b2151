import type { Case } from '../case.js';
import { listNames, OptionError } from '../errors.js';
import type { ModelFiles } from '../models/findModel.js';
import type { Graph } from '../onnx/graph.js';
import { warnOfReplaced } from '../pipeline/checkNeeds.js';
import { describeChoice, describePipeline } from '../pipeline/describePipeline.js';
import { chain, fuseSteps } from '../pipeline/fuse.js';
import { fingerprint } from '../pipeline/journal.js';
import type { OutputFolder } from '../pipeline/outputFolder.js';
import { selectCases } from '../pipeline/select.js';
import { claimTargets } from '../pipeline/targets.js';
import type { TrainBlock } from '../pipeline/trainBlock.js';
import type { Pipeline } from '../pipeline/types.js';
import { chooseDevice } from '../runtime/chooseDevice.js';
import { parseDevice } from '../runtime/device.js';
import type { Runtime } from '../runtime/runtime.js';
import { isRefused, isRemote } from '../sources/define.js';
import type { Vec3 } from '../volume/volume.js';
import type { CaseNotes } from './caseNotes.js';
import { hasCheckpoint, readCheckpoint } from './checkpoint.js';
import type { FailedCases } from './failedCases.js';
import { type FedBatch, feed } from './feed.js';
import { atStart, type Progress } from './progress.js';
import { removeTraining, trainingFiles } from './records.js';
import { startModel } from './startModel.js';
import { createTrainer, type Trainer } from './trainer.js';

/** A training that is ready for its next step. */
export interface PreparedTraining {
  readonly cases: readonly Case[];
  readonly validationCases: readonly Case[];
  /** Names the training in its checkpoints. */
  readonly identity: string;
  /** The model at the start. */
  readonly graph: Graph;
  /** The model that the training started from. Undefined for a new network. */
  readonly base?: ModelFiles;
  /** Output channels of the network. */
  readonly classes: number;
  readonly trainer: Trainer;
  readonly device: string;
  /** Voxels of a patch, x first. */
  readonly patch: Vec3;
  /** The first batch, which gives the sizes of all; `batches` continues after it. */
  readonly first: FedBatch;
  readonly batches: AsyncIterator<FedBatch>;
  readonly progress: Progress;
  /** It continues a training that was interrupted. */
  readonly resumed: boolean;
}

/** What a training is prepared with. */
export interface PrepareSettings {
  readonly folder: OutputFolder;
  /** Continue from the last checkpoint in the output folder. */
  readonly resume?: boolean;
  /** Replace a training in the output folder. */
  readonly overwrite?: boolean;
  readonly runtime: Runtime;
  readonly modelFolders?: readonly string[];
  readonly failed: FailedCases;
  readonly notes: CaseNotes;
  /** Whether the output of each step is wanted. */
  readonly keepLogits: boolean;
  /** Called with messages that the user should read. */
  readonly onWarning: (message: string) => void;
}

/**
 * Everything before the first step: opens the cases, builds the network or reads the checkpoint, prepares the
 * first batch and starts the trainer. The caller closes the trainer.
 *
 * @throws VoxError if the dataset, the network or the output folder is not usable.
 */
export async function prepareTraining(
  pipeline: Pipeline,
  train: TrainBlock,
  settings: PrepareSettings,
): Promise<PreparedTraining> {
  const { folder, runtime, failed, notes, onWarning } = settings;
  const output = folder.path;
  const { seed } = pipeline.runtime;
  warnOfReplaced(pipeline.packages, onWarning);
  const cases = await openCases(pipeline.source, failed.note, onWarning);
  if (cases.length < train.batchSize) {
    throw new OptionError(
      `The source has ${cases.length} training case(s), but train.batchSize is ${train.batchSize}. Add ` +
        'cases, or set a smaller batch size.',
    );
  }
  const validationCases = train.validation
    ? await openCases(train.validation.source, failed.note, onWarning)
    : [];
  warnOfShared(cases, validationCases, onWarning);
  const { model: graph, axes, base, note } = await startModel(train, seed, settings.modelFolders);
  if (note) onWarning(note);
  const identity = identityOf(pipeline, train, cases, base);
  const saved = await savedState(settings, identity);
  const progress = saved?.progress ?? atStart;
  await claimTargets({
    output,
    items: [...cases, ...validationCases],
    sinks: [{ id: 'train', targets: { ofRun: trainingFiles(output) } }],
    finished: new Map(),
    overwrite: settings.overwrite || saved !== undefined,
    wasThere: folder.wasThere,
    origin: folder.origin,
  });

  const stages = fuseSteps(pipeline.steps, pipeline.fusions).map(({ id, build }) =>
    build({ id, runtime, seed }),
  );
  const batches = feed(cases, chain(stages), progress.position, {
    seed,
    batchSize: train.batchSize,
    prefetch: train.prefetch,
    onFailure: failed.note,
    onNotes: notes.add,
  });
  const first = (await batches.next()).value;
  const { image, label } = first.cases[0].volumes;
  if (!image) throw new OptionError('The steps give no volume "image" to train on. Have load read it.');
  const { device } = await chooseDevice(pipeline.runtime.device);
  const trainer = await createTrainer({
    model: graph,
    axes,
    loss: train.loss.built,
    optimizer: train.optimizer.built,
    clip: train.clip,
    patch: image.size,
    batchSize: first.cases.length,
    labelChannels: label?.channels ?? 1,
    accumulate: train.accumulate,
    precision: precisionOn(device, train.amp, onWarning),
    device,
    keepLogits: settings.keepLogits,
  });
  try {
    if (saved) await trainer.restore(saved.tensors);
    else await removeTraining(output);
  } catch (error) {
    await trainer.close();
    throw error;
  }
  return {
    cases,
    validationCases,
    identity,
    graph,
    base,
    classes: Number(graph.outputs[0].dims[1]),
    trainer,
    device,
    patch: image.size,
    first,
    batches,
    progress,
    resumed: saved !== undefined,
  };
}

/** Warns of validation cases that are also training cases: their metrics say nothing about other images. */
function warnOfShared(
  training: readonly Case[],
  validation: readonly Case[],
  onWarning: (message: string) => void,
): void {
  const known = new Set(training.map(({ files }) => files['image']));
  const ids = validation.filter(({ files }) => known.has(files['image'])).map(({ id }) => id);
  if (ids.length === 0) return;
  onWarning(
    `${ids.length} of ${validation.length} validation case(s) are training cases too: ${listNames(ids.slice(0, 5))}` +
      `${ids.length > 5 ? ' and others' : ''}. The best model is then chosen by images that it has seen.`,
  );
}

/** The cases of a source that can be opened. The others go to `onFailure`. */
async function openCases(
  { built }: Pipeline['source'],
  onFailure: (id: string, error: unknown) => void,
  onWarning: (message: string) => void,
): Promise<Case[]> {
  const items = await selectCases(built.open({ onWarning }), {});
  return items.flatMap((item) => {
    if (isRefused(item)) {
      onFailure(item.id, item.refused);
      return [];
    }
    if (!isRemote(item)) return [item];
    throw new OptionError(
      `Case ${item.id} would be fetched in every epoch. Download the dataset, and give its folder as source.`,
    );
  });
}

/** Identifies everything that weights depend on. How long the training goes on is not part of it. */
function identityOf(
  pipeline: Pipeline,
  train: TrainBlock,
  cases: readonly Case[],
  base: ModelFiles | undefined,
): string {
  const { network, loss, optimizer, schedule, batchSize, accumulate, clip, amp } = train;
  const { steps } = describePipeline(pipeline);
  const ids = cases.map(({ id }) => id);
  return fingerprint(
    ids,
    steps,
    network && describeChoice(network),
    base?.sha256,
    describeChoice(loss),
    describeChoice(optimizer),
    describeChoice(schedule),
    batchSize,
    accumulate,
    clip,
    amp,
    pipeline.runtime.seed,
    ...(pipeline.packages.length > 0 ? [pipeline.packages] : []),
  );
}

/**
 * The state to resume from, if any. Throws OptionError if the folder holds a training and nothing was said
 * about it.
 */
async function savedState(
  { folder: { path: output }, resume, overwrite }: PrepareSettings,
  identity: string,
): Promise<Awaited<ReturnType<typeof readCheckpoint>> | undefined> {
  if (!hasCheckpoint(output)) return undefined;
  if (resume) return readCheckpoint(output, identity);
  if (overwrite) return undefined;
  throw new OptionError(
    `${output} already holds a training. Use --resume to continue it, --overwrite to replace it, or ` +
      'another folder with -o.',
  );
}

/** The precision that `train.amp` means on a device. */
function precisionOn(device: string, amp: boolean, onWarning: (message: string) => void) {
  if (!amp) return 'float32';
  if (parseDevice(device).provider !== 'cpu') return 'float16';
  onWarning(`train.amp has no effect on ${device}: CPUs compute in float32.`);
  return 'float32';
}
