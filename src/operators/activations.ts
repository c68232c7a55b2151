import type { OperatorFunction } from 'rxjs';
import { z } from 'zod';
import type { Case } from '../case.js';
import { task } from '../runtime/task.js';
import { sigmoid, softmax } from '../volume/classes.js';
import { defineOperator, parseOptions, type StepContext, standalone } from './define.js';
import { foreseeFloats } from './forecast.js';
import { type Keys, keysType, mapVolumes } from './map.js';

const softmaxTask = task(new URL('../volume/classes.js', import.meta.url), softmax);
const sigmoidTask = task(new URL('../volume/classes.js', import.meta.url), sigmoid);

export interface ActivationsOptions {
  /** Softmax over the channels. Default: false. */
  readonly softmax?: boolean;
  /** The logistic function of every voxel. Default: false. */
  readonly sigmoid?: boolean;
  /** Volumes to work on. Default: `pred`. */
  readonly keys?: Keys;
}

const definition = defineOperator<ActivationsOptions>({
  name: 'activations',
  summary: "Turns a model's output into probabilities: softmax or sigmoid.",
  mirrors: 'Activationsd, without other',
  lane: 'cpu',
  options: {
    softmax: z.boolean().default(false).describe('Softmax over the channels'),
    sigmoid: z.boolean().default(false).describe('The logistic function of every voxel'),
    keys: keysType('pred'),
  },
  check: ({ softmax, sigmoid }) =>
    softmax === sigmoid ? ['either softmax or sigmoid must be true, and not both'] : [],
  example: { softmax: true },
  forecast: ({ keys }) => foreseeFloats(keys, ['pred'], 'probability'),
  create: ({ softmax, keys }, context) =>
    mapVolumes(context, 'cpu', keys, ['pred'], (volume) =>
      context.runtime.run(softmax ? softmaxTask : sigmoidTask, volume),
    ),
});

/**
 * Turns logits into probabilities, float32: softmax over the channels, or the logistic function of every voxel.
 *
 * Mirrors MONAI's `Activationsd`.
 *
 * @throws OptionError when built, unless exactly one of `softmax` and `sigmoid` is true.
 */
export function activations(
  options: ActivationsOptions,
  context: StepContext = standalone(definition.name),
): OperatorFunction<Case, Case> {
  return definition.create(parseOptions(definition, options), context);
}

export { definition as activationsDefinition };
