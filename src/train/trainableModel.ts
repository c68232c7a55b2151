import { readFile } from 'node:fs/promises';
import { listNames } from '../errors.js';
import type { ModelFiles } from '../models/findModel.js';
import { newNetwork } from '../onnx/builders/buildNetwork.js';
import type { Network } from '../onnx/builders/network.js';
import { networkFromCheckpoint } from '../onnx/builders/networkFromCheckpoint.js';
import { isOp } from '../onnx/edit.js';
import type { Graph, GraphNode } from '../onnx/graph.js';
import { readModel } from '../onnx/modelFile.js';
import type { ModelAxes } from '../volume/windows.js';

/** A model in the form that is trained, with its initial weights. */
export interface TrainableModel {
  readonly model: Graph;
  /** The order in which the model reads its axes. */
  readonly axes: ModelAxes;
  /** A sentence that the user should read before training starts. */
  readonly note?: string;
}

/**
 * A network with new weights, which depend on the seed; see `newNetwork`. A network that treats all spatial
 * axes alike is declared to read `zyx`, the order of volumes in memory. Others read `xyz`, like MONAI's.
 *
 * @throws OptionError for an unknown network or a faulty configuration.
 */
export function networkToTrain(network: string | Network, config: object, seed: number): TrainableModel {
  const model = newNetwork(network, config, seed);
  const note = leftOut(network, config);
  return { model, axes: treatsAxesAlike(model) ? 'zyx' : 'xyz', ...(note && { note }) };
}

/** A sentence naming what a configuration asks for in training and voxstream does not do, if there is any. */
function leftOut(network: string | Network, config: object): string | undefined {
  const options = config as Readonly<Record<string, unknown>>;
  const left = ['dropout', 'dropout_prob', 'deep_supervision'].filter((name) => options[name]);
  if (left.length === 0) return undefined;
  const name = typeof network === 'string' ? network : network.name;
  return `The network ${name} is trained without ${listNames(left)}, which its configuration asks for.`;
}

/**
 * A network with the weights of a PyTorch checkpoint, for further training.
 *
 * @throws OptionError as `networkToTrain`; ModelError if the checkpoint cannot be read or does not fit
 * the network.
 */
export async function checkpointToTrain(
  network: string | Network,
  config: object,
  checkpoint: string,
): Promise<TrainableModel> {
  const { graph: model, notes } = await networkFromCheckpoint(network, config, checkpoint);
  const left = leftOut(network, config);
  const note = [...notes, ...(left ? [left] : [])].join(' ');
  return { model, axes: 'xyz', ...(note && { note }) };
}

/**
 * A model of a folder or file (see `findModel`), for further training. Throws ModelError if it cannot be
 * read.
 */
export async function modelToTrain({ file, card }: ModelFiles): Promise<TrainableModel> {
  const model = readModel(await readFile(file), file);
  const note = mergedNormalizations(model, file);
  return { model, axes: card.axes, ...(note && { note }) };
}

/**
 * PyTorch's exporter merges batch normalizations into the convolutions before them, whose kernels then have
 * names like `onnx::Conv_254`. Such a model can be trained, but it is no longer the network that was
 * exported.
 */
function mergedNormalizations(graph: Graph, file: string): string | undefined {
  const merged = graph.nodes.filter(
    (node) => isOp(node, 'Conv', 'ConvTranspose') && /^onnx::Conv/.test(node.inputs[1] ?? ''),
  ).length;
  if (merged === 0) return undefined;
  const left = graph.nodes.filter((node) => isOp(node, 'BatchNormalization')).length;
  return (
    `The export of ${file} merged ${merged} batch normalizations into convolutions (${left} are left), so ` +
    'they are trained as part of these. To train with them, import the checkpoint (.pt) with "voxstream ' +
    'models import".'
  );
}

/** Attributes that list numbers for the spatial axes. */
const spatial = ['kernel_shape', 'strides', 'dilations', 'pads', 'output_padding', 'output_shape'];

/** Whether a network treats its spatial axes alike. With new weights their order then makes no difference. */
function treatsAxesAlike(graph: Graph): boolean {
  const alike = (values: readonly number[]) => values.every((n) => n === values[0]);
  const kernelAlike = (node: GraphNode) =>
    !isOp(node, 'Conv', 'ConvTranspose') ||
    alike(graph.initializers.get(node.inputs[1])?.dims.slice(2) ?? []);
  // One that is built for one size has its axes in its shapes.
  if (graph.inputs.some(({ dims }) => dims.slice(2).some((size) => typeof size === 'number'))) return false;
  return graph.nodes.every(
    (node) =>
      kernelAlike(node) &&
      spatial.every((name) => {
        const value = node.attributes[name];
        return !Array.isArray(value) || alike(value as readonly number[]);
      }),
  );
}
