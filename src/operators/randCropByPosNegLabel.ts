import { geometryKeys } from '../case.js';
import { sizePerAxis, weight } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { patchStarts } from '../volume/patches.js';
import { operator } from './define.js';
import { cutAroundLabels, foreseePatches, labelledPatchOptions } from './patches.js';

const patchStartsTask = task(new URL('../volume/patches.js', import.meta.url), patchStarts);

/**
 * Cuts `numSamples` patches of `spatialSize` voxels from each case. Each patch becomes a case: `ID#0`, `ID#1`
 * and so on. A patch is centred on a random voxel, which is a labelled one with probability pos / (pos +
 * neg), and is moved to fit inside the volume. Affines follow: every voxel keeps its position in mm.
 *
 * Mirrors MONAI's `RandCropByPosNegLabeld`; see `drawsFor` for the random draws.
 *
 * @throws OptionError when built, without `spatialSize`.
 * @throws DataError, on the stream, if a patch is larger than the volume or no voxel can be its centre.
 */
export const randCropByPosNegLabel = operator({
  name: 'randCropByPosNegLabel',
  summary: 'Cuts random patches, a given share of them around labelled voxels. Each patch becomes a case.',
  mirrors: "RandCropByPosNegLabeld; draws come from voxstream's random generator",
  splits: true,
  options: {
    spatialSize: sizePerAxis.describe('Patch size in voxels; 0 or less uses the whole axis'),
    pos: weight
      .default(1)
      .describe('With neg, sets the share of patches centred on a labelled voxel: pos / (pos + neg)'),
    neg: weight.default(1).describe('See pos'),
    ...labelledPatchOptions,
    imageKey: labelledPatchOptions.imageKey.describe(
      'The image that limits where patches without a label may be centred. Default: anywhere',
    ),
  },
  check: ({ pos, neg }) => (pos + neg > 0 ? [] : ['pos and neg must not both be 0']),
  example: { spatialSize: [96, 96, 96], pos: 1, neg: 1, numSamples: 4, imageKey: 'image' },
  forecast: ({ spatialSize, numSamples, keys }) =>
    foreseePatches(spatialSize, numSamples, [keys ?? geometryKeys].flat()),
  create: (options, context) =>
    cutAroundLabels(context, options, (label, image, seed) =>
      context.runtime.run(
        patchStartsTask,
        label,
        image,
        {
          spatialSize: options.spatialSize,
          positive: options.pos / (options.pos + options.neg),
          count: options.numSamples,
          allowSmaller: options.allowSmaller,
          imageThreshold: options.imageThreshold,
        },
        seed,
      ),
    ),
});
