import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { sizePerAxis, weight } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { classPatchStarts } from '../volume/patches.js';
import { operator } from './define.js';
import { cutAroundLabels, foreseePatches, labelledPatchOptions } from './patches.js';

const classPatchStartsTask = task(new URL('../volume/patches.js', import.meta.url), classPatchStarts);

/**
 * Cuts `numSamples` patches of `spatialSize` voxels from each case. Each patch becomes a case: `ID#0`, `ID#1`
 * and so on. A patch is centred on a random voxel of a random class, and is moved to fit inside the volume.
 * Affines follow: every voxel keeps its position in mm.
 *
 * Mirrors MONAI's `RandCropByLabelClassesd`; see `drawsFor` for the random draws.
 *
 * @throws OptionError when built, without `spatialSize`.
 * @throws DataError, on the stream, if a patch is larger than the volume, the number of classes is not known
 * or not that of `ratios`, or no voxel can be the centre of a patch.
 */
export const randCropByLabelClasses = operator({
  name: 'randCropByLabelClasses',
  summary: 'Cuts random patches around voxels of classes with given ratios. Each patch becomes a case.',
  mirrors: "RandCropByLabelClassesd; draws come from voxstream's random generator",
  splits: true,
  options: {
    spatialSize: sizePerAxis.describe('Patch size in voxels; 0 or less uses the whole axis'),
    ratios: z
      .array(weight)
      .min(1)
      .optional()
      .describe(
        'How often each class is chosen, from class 0 on, relative to the others. Default: all equally often. ' +
          'Classes without voxels are not chosen',
      ),
    numClasses: z
      .int()
      .min(1)
      .max(65_536)
      .optional()
      .describe(
        'The number of classes, with the background. Default: the number of ratios; a one-hot label has one per channel',
      ),
    ...labelledPatchOptions,
  },
  check: ({ ratios, numClasses }) => [
    ...(ratios && !ratios.some((ratio) => ratio > 0) ? ['ratios must not all be 0'] : []),
    ...(ratios && numClasses !== undefined && ratios.length !== numClasses
      ? [`ratios must have one number for each of the ${numClasses} classes, but it has ${ratios.length}`]
      : []),
  ],
  example: { spatialSize: [96, 96, 96], ratios: [1, 3, 3], numSamples: 4, imageKey: 'image' },
  forecast: ({ spatialSize, numSamples, keys }) =>
    foreseePatches(spatialSize, numSamples, [keys ?? geometryKeys].flat()),
  create: (options, context) =>
    cutAroundLabels(context, options, (label, image, seed) =>
      context.runtime.run(
        classPatchStartsTask,
        label,
        image,
        {
          spatialSize: options.spatialSize,
          ratios: options.ratios,
          numClasses: options.numClasses,
          count: options.numSamples,
          allowSmaller: options.allowSmaller,
          imageThreshold: options.imageThreshold,
        },
        seed,
      ),
    ),
});
