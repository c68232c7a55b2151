import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { ModelError, messageOf, show } from '../errors.js';
import type { NamedNetwork } from '../onnx/builders/network.js';
import { networkFromCheckpoint } from '../onnx/builders/networkFromCheckpoint.js';
import { readModel, writeModel } from '../onnx/modelFile.js';
import type { Tensor } from '../onnx/ort.js';
import { sizeOf } from '../onnx/tensor.js';
import { Random } from '../volume/random.js';
import type { Vec3 } from '../volume/volume.js';
import { type ModelCard, parseCard } from './card.js';
import { checksumOf } from './checksum.js';
import type { NewModel } from './folder.js';
import type { Tree } from './tree.js';

/** The fields of a model's card, before they are checked. */
export type CardFields = Tree & { readonly name: string };

/** Edge in voxels of the trial window when the card has no patch: enough for networks with six levels. */
const trialSize = 64;

/**
 * Makes a model from a PyTorch checkpoint: builds the network as ONNX with the checkpoint's weights, and runs
 * it once.
 *
 * @param prefix The prefix of the weights' names in the checkpoint, e.g. `_model.` for Lightning. Tensors
 * without it are ignored. Default: it is found; see `networkFromCheckpoint`.
 * @throws ModelError when the checkpoint cannot be read, its weights do not fit, or the network does not run;
 * OptionError for an invalid configuration.
 */
export async function importCheckpoint(
  checkpoint: string,
  { type, config }: NamedNetwork,
  card: CardFields,
  prefix?: string,
): Promise<NewModel> {
  const stated = (card['input'] ?? {}) as Tree;
  const size = windowSize(stated['patch'], card['axes']);
  const { graph, notes } = await networkFromCheckpoint(type, config, checkpoint, { prefix, size });
  const bytes = writeModel(graph);
  // A network that is built for one size of windows takes no others.
  const fixed = windowSize(graph.inputs[0].dims.slice(2), card['axes']);
  const sized = fixed ? { ...card, input: { ...stated, patch: fixed } } : card;
  const filled = fillCard(sized, graph.inputs[0].dims[1], graph.outputs[0].dims[1]);
  await tryModel(bytes, filled, checkpoint);
  const source = { file: basename(checkpoint), sha256: await checksumOf(checkpoint, 'sha256') };
  return { bytes, card: { ...filled, network: { type: graph.name, ...config }, source }, notes };
}

/**
 * Converts sizes between x, y, z and the order of a network's axes; undefined unless they are three positive
 * integers.
 */
function windowSize(sizes: unknown, axes: unknown): Vec3 | undefined {
  if (!Array.isArray(sizes) || sizes.length !== 3 || !sizes.every((n) => Number.isInteger(n) && n > 0))
    return undefined;
  const [a, b, c] = sizes;
  return axes === 'zyx' ? [c, b, a] : [a, b, c];
}

/**
 * Makes a model from an ONNX file: copies it and runs it once.
 *
 * @throws ModelError when the file cannot be read, its input is not one float32 tensor [batch, channels,
 * three sizes], or it does not run.
 */
export async function importOnnx(file: string, card: CardFields): Promise<NewModel> {
  const bytes = await readFile(file);
  const { inputs, outputs } = readModel(bytes, file);
  if (inputs.length !== 1 || inputs[0].dims.length !== 5 || inputs[0].type !== 'float32') {
    throw new ModelError(
      `${file} must have one float32 input [batch, channels, three sizes], but it has ${inputs
        .map(({ name, type, dims }) => `${name}, ${type} ${show(dims)}`)
        .join('; ')}.`,
    );
  }
  const fixed = inputs[0].dims.slice(2);
  const sizes = card['axes'] === 'zyx' ? fixed.reverse() : fixed;
  const stated = card['input'] as Tree | undefined;
  const patch = sizes.every((n) => typeof n === 'number') ? { patch: sizes } : {};
  const filled = fillCard({ ...card, input: { ...patch, ...stated } }, inputs[0].dims[1], outputs[0].dims[1]);
  await tryModel(bytes, filled, file);
  return {
    bytes,
    card: { ...filled, source: { file: basename(file), sha256: await checksumOf(file, 'sha256') } },
  };
}

/** Adds the channels that the file declares, where they are fixed. */
function fillCard(card: CardFields, inputs: number | string, outputs: number | string): CardFields {
  const channels = (count: number | string) => (typeof count === 'number' ? { channels: count } : {});
  const filled = {
    ...card,
    input: { ...channels(inputs), ...(card['input'] as object) },
    output: { ...channels(outputs), ...(card['output'] as object) },
  };
  return filled;
}

/**
 * Runs a new model once on the CPU, on random values. Throws ModelError unless its output is that of a
 * segmentation.
 */
export async function tryModel(bytes: Uint8Array, fields: CardFields, file: string): Promise<void> {
  const card: ModelCard = parseCard(fields, `The card of ${file}`);
  const { patch, channels = 1, valueRange: [low, high] = [0, 1] } = card.input;
  const size: Vec3 = patch ?? [trialSize, trialSize, trialSize];
  const dims = [1, channels, ...(card.axes === 'xyz' ? size : [...size].reverse())];
  const random = new Random(1);
  const values = Float32Array.from({ length: sizeOf(dims) }, () => random.uniform(low, high));
  const output = await run(bytes, values, dims, file);
  const wanted = [1, card.output.channels ?? output.dims[1], ...dims.slice(2)];
  if (output.dims.length !== 5 || output.dims.some((n, axis) => n !== wanted[axis])) {
    throw new ModelError(
      `${file} gives an output of shape ${show(output.dims)} for a window of ${show(dims)}, but it must be ` +
        `${show(wanted)}.`,
    );
  }
  if (output.type !== 'float32') {
    throw new ModelError(`${file} gives an output of type ${output.type}, but it must be float32.`);
  }
  if (!(output.data as Float32Array).every(Number.isFinite)) {
    throw new ModelError(
      `${file} gives NaN or infinite values for input values from ${low} to ${high}: its weights are ` +
        'damaged, or it needs other input values (input.valueRange on the card).',
    );
  }
}

async function run(
  bytes: Uint8Array,
  values: Float32Array,
  dims: readonly number[],
  file: string,
): Promise<Tensor> {
  try {
    // Loaded here: most programs that import this module run no model.
    const ort = await import('../onnx/ort.js');
    const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 4 });
    const result = await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', values, dims) });
    const output = result[session.outputNames[0]];
    await session.release();
    return output;
  } catch (error) {
    throw new ModelError(
      `${file} cannot be run on a window of ${show(dims)}: ${messageOf(error).trim().replace(/\.$/, '')}. ` +
        'If it takes windows of another size, give that with --patch.',
      { cause: error },
    );
  }
}
