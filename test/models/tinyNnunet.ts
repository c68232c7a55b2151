import { writeModelFolder } from '#src/models/folder.js';
import type { NnunetCard } from '#src/models/nnunet/card.js';
import { networkInput } from '#src/models/nnunet/preprocessing.js';
import { Graph } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { floats } from '#src/onnx/tensor.js';
import { Random } from '#src/volume/random.js';

const rule = { orderZ: 0, separateZ: null } as const;

/** What nnU-Net does around the tiny networks, without the folds. */
export const tinyPlan: Omit<NnunetCard, 'folds'> = {
  ...{ configuration: '3d_fullres', plans: 'nnUNetPlans', trainer: 'nnUNetTrainer', reader: 'SimpleITKIO' },
  axes: [0, 1, 2],
  channels: [{ scheme: 'zScore', name: 'MR' }],
  spacing: [2, 2, 2.5],
  resampling: { data: { order: 3, ...rule }, logits: { order: 1, ...rule } },
  mirror: ['x'],
  fileEnding: '.nii.gz',
};

/** Writes a model of nnU-Net with two folds, each one 3x3x3 convolution with random weights. */
export async function writeTinyNnunet(
  folder: string,
  { classes = 3, plan = {} }: { readonly classes?: number; readonly plan?: Partial<NnunetCard> } = {},
): Promise<void> {
  const made = { ...tinyPlan, ...plan };
  const card = {
    name: 'tiny',
    axes: 'zyx',
    labels: Object.fromEntries(Array.from({ length: classes }, (_, label) => [label, `label ${label}`])),
    input: { channels: made.channels.length, patch: [8, 6, 6], ...networkInput(made) },
    output: { channels: classes },
  };
  const names = ['0', '1'];
  const members = names.map((name) => ({
    folder: `fold_${name}`,
    bytes: convolution(made.channels.length, classes, Number(name)),
    card: { ...card, name: `tiny/fold_${name}` },
  }));
  const folds = names.map((name) => ({ name, folder: `fold_${name}` }));
  await writeModelFolder(folder, { members, card: { ...card, nnunet: { ...made, folds } }, notes: [] });
}

function convolution(inputs: number, classes: number, seed: number): Uint8Array {
  const random = new Random(seed);
  const graph = new Graph({ name: 'tiny' });
  const image = graph.addInput('image', 'float32', ['n', inputs, 'z', 'y', 'x']);
  const weights = Float32Array.from({ length: classes * inputs * 27 }, () => random.normal(0, 1));
  const weight = graph.addInitializer('weight', floats([classes, inputs, 3, 3, 3], weights));
  const output = graph.addNode('Conv', [image, weight], { pads: [1, 1, 1, 1, 1, 1] });
  graph.addOutput(output, 'float32', ['n', classes, 'z', 'y', 'x']);
  return writeModel(graph);
}
