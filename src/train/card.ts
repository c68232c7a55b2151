import { maskOf } from '../mask.js';
import type { ModelCard } from '../models/card.js';
import type { ModelFiles } from '../models/findModel.js';
import type { NewModel } from '../models/folder.js';
import type { Graph } from '../onnx/graph.js';
import { describeChoice } from '../pipeline/describePipeline.js';
import type { TrainBlock } from '../pipeline/trainBlock.js';
import type { Pipeline } from '../pipeline/types.js';
import { version } from '../version.js';
import type { Vec3 } from '../volume/volume.js';
import type { ModelAxes } from '../volume/windows.js';
import type { Progress } from './progress.js';

/** What is known about a model in training. */
export interface TrainedModel {
  readonly graph: Graph;
  readonly axes: ModelAxes;
  /** Voxels of a patch, x first. */
  readonly patch: Vec3;
  /** Output channels. */
  readonly classes: number;
  readonly labelNames?: Readonly<Record<string, string>>;
  /** Training cases. */
  readonly cases: number;
  /** The model that the training started from. Undefined for a new network. */
  readonly base?: ModelFiles;
  readonly command?: string;
}

/**
 * Returns a function that makes the trained model's card from the progress. Fields of the pipeline's
 * `train.card` override what is known; `input` and `training` are merged field by field.
 */
export function trainedCard(
  pipeline: Pipeline,
  { network, loss, optimizer, schedule, epochs, card }: TrainBlock,
  { graph, axes, patch, classes, labelNames, cases, base, command }: TrainedModel,
): (progress: Progress, metric?: string) => NewModel['card'] {
  const range = valueRange(pipeline);
  const preprocessed = preprocessingOf(pipeline);
  const inner = (key: string) => (card[key] ?? {}) as object;
  const channels = graph.inputs[0].dims[1];
  const trained = network ? { type: network.definition.name, ...network.options } : base?.card.network;
  const native = base ? (base.card.weightAxes ?? base.card.axes) : 'xyz';
  return ({ rows, best, step }, metric) => {
    const epoch = best?.epoch ?? rows.at(-1)?.epoch ?? 0;
    const reached = best && metric ? { metric, value: Number(best.value.toFixed(5)) } : undefined;
    return {
      name: pipeline.name,
      version: '1.0.0',
      ...(base?.card.license && { license: base.card.license }),
      intendedUse: 'research; not a medical device',
      ...card,
      axes,
      labels: { 0: 'background', ...labelNames },
      input: {
        ...base?.card.input,
        channels,
        patch,
        ...(range && { valueRange: range }),
        ...preprocessed,
        ...inner('input'),
      },
      ...(trained && { network: trained }),
      ...(trained && native !== axes && { weightAxes: native }),
      output: {
        channels: classes,
        activation: loss.options['sigmoid'] === true || classes === 1 ? 'sigmoid' : 'softmax',
      },
      training: {
        data: maskOf(pipeline)(sourceText(pipeline)),
        cases,
        ...(base && { finetuned: base.card.name, finetunedSha256: base.sha256 }),
        ...(network && !base && { network: describeChoice(network) }),
        loss: describeChoice(loss),
        optimizer: describeChoice(optimizer),
        schedule: describeChoice(schedule),
        epoch,
        epochs,
        step: best?.step ?? step,
        ...(reached && { reached }),
        seed: pipeline.runtime.seed,
        ...(command && { command }),
        voxstream: version,
        ...inner('training'),
      },
    };
  };
}

/** The steps of a training pipeline that a run has to repeat: all before the first random step or crop. */
function preprocessingOf({ steps }: Pipeline): Partial<ModelCard['input']> {
  const isTraining = ({ definition }: Pipeline['steps'][number]) =>
    definition.splits || /^(rand|cache$|shuffle$|batch$)/.test(definition.name);
  const end = steps.findIndex(isTraining);
  // Those of labels alone have no part in a run.
  const ofImage = ({ options }: Pipeline['steps'][number]) =>
    options['keys'] === undefined || [options['keys']].flat().includes('image');
  const kept = (end < 0 ? steps : steps.slice(0, end)).filter(ofImage);
  const option = (name: string, key: string) =>
    kept.findLast(({ definition }) => definition.name === name)?.options[key];
  const [axcodes, spacing] = [option('orient', 'axcodes'), option('spacing', 'pixdim')];
  return {
    ...(typeof axcodes === 'string' && { axcodes }),
    ...(Array.isArray(spacing) && { spacing: spacing as [number, number, number] }),
    preprocessing: kept.map(({ definition, options }) => {
      const { keys: _, ...rest } = options;
      return { [definition.name]: rest };
    }),
  };
}

/** The range that intensities are scaled to, if they are also clipped to it. */
function valueRange({ steps }: Pipeline): [number, number] | undefined {
  const scaling = steps.findLast(({ definition }) => definition.name === 'scaleIntensityRange');
  if (scaling?.options['clip'] !== true) return undefined;
  const { bMin = 0, bMax = 1 } = scaling.options as { bMin?: number; bMax?: number };
  return [bMin, bMax];
}

/** The source in a few words: `decathlon data/Task09_Spleen, split train`. */
function sourceText({ source: { definition, options } }: Pipeline): string {
  const texts = Object.entries(options).flatMap(([key, value]) =>
    typeof value === 'string' ? [key === 'root' ? value : `${key} ${value}`] : [],
  );
  return [definition.name, texts.join(', ')].filter(Boolean).join(' ');
}
