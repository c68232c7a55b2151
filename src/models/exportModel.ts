import { readFile, writeFile } from 'node:fs/promises';
import { ModelError } from '../errors.js';
import { writeAside } from '../formats/aside.js';
import { networkNames } from '../onnx/builders/networks/index.js';
import { constantsOf, type NamedWeights, stateDictOf } from '../onnx/builders/stateDictOf.js';
import { writeStateDict } from '../onnx/checkpoint/writeStateDict.js';
import type { Graph } from '../onnx/graph.js';
import { readModel, writeModel } from '../onnx/modelFile.js';
import { permuteAxes } from '../onnx/passes/permuteAxes.js';
import { writeTensors } from '../onnx/training/tensorFile.js';
import type { ModelCard } from './card.js';
import type { ModelFiles } from './findModel.js';

/** The formats that models are exported to. */
export const exportFormats = ['pt', 'safetensors', 'onnx'] as const;

export type ExportFormat = (typeof exportFormats)[number];

/**
 * Writes a model for other programs.
 *
 * - `pt`: a PyTorch state dict, which `torch.load(FILE, weights_only=True)` reads.
 * - `safetensors`: the same tensors in a safetensors file.
 * - `onnx`: the model as an ONNX file whose axes are x, y, z where that is possible.
 *
 * Tensors have the names and shapes of the network's PyTorch class if the card names the network: the model
 * was imported from a checkpoint or trained here. Otherwise they are the constants of the ONNX file.
 *
 * @returns Sentences for the user.
 * @throws ModelError if the model was optimized or its weights were changed otherwise; DataError if the file
 * cannot be written.
 */
export async function exportModel(
  model: ModelFiles,
  format: ExportFormat,
  file: string,
): Promise<readonly string[]> {
  const graph = readModel(await readFile(model.file), model.file);
  if (format === 'onnx') return exportOnnx(model.card, graph, file);
  const { tensors, notes } = weightsOf(model.card, graph);
  if (format === 'pt') await writeStateDict(file, tensors);
  else await writeTensors(file, { tensors, metadata: { format: 'pt', model: model.card.name } });
  return notes;
}

/** The weights of a model under PyTorch's names, where its card names the network. */
export function weightsOf(card: ModelCard, graph: Graph): NamedWeights {
  if (card.optimized) {
    throw new ModelError(
      `${card.name} was rewritten for ${card.optimized.target}, so its weights are not those of the network. ` +
        'Export the model that it was made from.',
    );
  }
  const { type, ...config } = card.network ?? { type: undefined };
  if (type === undefined || !networkNames.some((name) => name.toLowerCase() === type.toLowerCase())) {
    const note =
      type === undefined
        ? `The card of ${card.name} names no network, so the tensors have the names of the ONNX file.`
        : `The network ${type} of ${card.name} does not come with voxstream, so the tensors have the names of the ONNX file.`;
    const order = 'The model reads its axes in the order z, y, x, and so do its kernels.';
    return { tensors: constantsOf(graph), notes: card.axes === 'zyx' ? [note, order] : [note] };
  }
  const { patch } = card.input;
  const [x, y, z] = patch ?? [0, 0, 0];
  const size = (card.weightAxes ?? card.axes) === 'zyx' ? ([z, y, x] as const) : ([x, y, z] as const);
  return stateDictOf(type, config, { graph, reversed: isReversed(card) }, patch ? { size } : {});
}

/** Whether a model reads its axes in the reverse order of its network's PyTorch class. */
export function isReversed({ axes, weightAxes = axes }: Pick<ModelCard, 'axes' | 'weightAxes'>): boolean {
  return weightAxes !== axes;
}

async function exportOnnx(card: ModelCard, graph: Graph, file: string): Promise<readonly string[]> {
  const permuted = card.axes === 'zyx' ? permuteAxes(graph) : graph;
  await writeAside(file, (temporary) => writeFile(temporary, writeModel(permuted), { flush: true }));
  return card.axes === 'zyx' && permuted === graph
    ? [`${file} reads its spatial axes in the order z, y, x.`]
    : [];
}
