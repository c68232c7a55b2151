import { z } from 'zod';
import { keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { sigmoid, softmax } from '../volume/classes.js';
import { operator } from './define.js';
import { foreseeFloats } from './forecast.js';
import { mapVolumes } from './map.js';

const softmaxTask = task(new URL('../volume/classes.js', import.meta.url), softmax);
const sigmoidTask = task(new URL('../volume/classes.js', import.meta.url), sigmoid);

/**
 * Converts logits to probabilities (float32): softmax over the channels, or the logistic function per voxel.
 *
 * Mirrors MONAI's `Activationsd`, without `other`.
 *
 * @throws OptionError when built, unless exactly one of `softmax` and `sigmoid` is true.
 */
export const activations = operator({
  name: 'activations',
  summary: "Converts a model's output to probabilities with softmax or sigmoid.",
  mirrors: 'Activationsd, without other',
  options: {
    softmax: z.boolean().default(false).describe('Apply softmax over the channels'),
    sigmoid: z.boolean().default(false).describe('Apply the logistic function to every voxel'),
    keys: keysType('pred'),
  },
  check: ({ softmax, sigmoid }) =>
    softmax === sigmoid ? ['exactly one of softmax and sigmoid must be true'] : [],
  example: { softmax: true },
  forecast: ({ keys }) => foreseeFloats(keys, ['pred'], 'probability'),
  create: ({ softmax, keys }, context) =>
    mapVolumes(context, 'cpu', keys, ['pred'], (volume) =>
      context.runtime.run(softmax ? softmaxTask : sigmoidTask, volume),
    ),
});
