import { listNames, ModelError, messageOf, show } from '../errors.js';
import type { Vec3 } from '../volume/volume.js';
import type { ModelAxes } from '../volume/windows.js';
import type { ModelShape, SessionSetup } from './sessionMessages.js';

/**
 * Throws ModelError unless the model has one input and its input and output are float32 with five dimensions.
 */
export function checkShape(file: string, { inputs, outputs }: ModelShape): void {
  if (inputs.length !== 1) {
    throw new ModelError(
      `The model ${file} has ${inputs.length} inputs (${listNames(inputs.map(({ name }) => name))}), but ` +
        'it must have one.',
    );
  }
  for (const [what, { name, type, dims }] of [
    ['input', inputs[0]],
    ['output', outputs[0]],
  ] as const) {
    if (type !== 'float32' || (dims.length !== 5 && dims.length !== 0)) {
      throw new ModelError(
        `The ${what} "${name}" of the model ${file} is ${type} of ${dims.length} dimensions, but it must ` +
          'be float32 of five: batch, channel and three axes.',
      );
    }
  }
}

/** The most values of a window's input. */
const mostValues = 2 ** 31;

/** Throws ModelError for a window that no memory holds. */
export function checkWindow(file: string, roiSize: Vec3, channels: number): void {
  const values = roiSize.reduce((product, n) => product * n, channels);
  if (values <= mostValues) return;
  throw new ModelError(
    `A window of ${show(roiSize)} voxels and ${channels} channel(s) for the model ${file} has ${values} values, but at ` +
      `most ${mostValues} are possible. Correct roiSize, or the patch size and channels on the model's card.`,
  );
}

/** Throws ModelError unless an output has the size of its window. */
export function checkOutput(file: string, dims: readonly number[], roiSize: Vec3, axes: ModelAxes): void {
  const wanted = axes === 'xyz' ? roiSize : [...roiSize].reverse();
  if (dims.length === 5 && wanted.every((n, axis) => dims[axis + 2] === n)) return;
  throw new ModelError(
    `For a window of ${show(wanted)} voxels the model ${file} gives an output of shape ${show(dims)}, but ` +
      'its last three numbers must be the size of the window.',
  );
}

/**
 * Words an error of ONNX Runtime. On a GPU the message names the provider, because another one may run the
 * model.
 */
export function modelFault({ file, provider }: SessionSetup, error: Error): ModelError {
  const message = messageOf(error).trim().replace(/\.$/, '');
  if (/protobuf parsing failed/i.test(message)) {
    return new ModelError(
      `The model ${file} is not an ONNX file, or it is damaged. Copy or download it again.`,
      {
        cause: error,
      },
    );
  }
  if (provider === 'cpu') return new ModelError(`The model ${file} failed: ${message}.`, { cause: error });
  return new ModelError(
    `The model ${file} failed on ${provider}: ${message}. It was not run on another device instead: give ` +
      `--device cpu, or a form of the model whose operations ${provider} supports.`,
    { cause: error },
  );
}
