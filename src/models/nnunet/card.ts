import { z } from 'zod';
import { intensity } from '../../optionTypes.js';

const axis = z.enum(['x', 'y', 'z']);

/** How a channel's intensities are normalized; see the operator `normalizeByPlans`. */
export const channelScheme = z.strictObject({
  scheme: z
    .enum(['ct', 'zScore', 'rescale', 'rgb', 'none'])
    .describe(
      'ct: clip to low and high, subtract mean, divide by std; zScore: the mean and standard deviation of ' +
        'the image; rescale: to 0 to 1; rgb: divide by 255',
    ),
  name: z.string().optional().describe('The name of the channel, for messages'),
  mask: z
    .boolean()
    .optional()
    .describe('zScore: use, and change, only voxels inside the mask. Default: false'),
  mean: intensity.optional().describe('ct: the mean in the training data'),
  std: intensity.min(0).optional().describe('ct: the standard deviation in the training data'),
  low: intensity.optional().describe('ct: the lowest value that is kept'),
  high: intensity.optional().describe('ct: the highest value that is kept'),
});

/** The normalization of one channel. */
export type ChannelScheme = Readonly<z.infer<typeof channelScheme>>;

/** Interpolation orders: along all axes, or within slices and across them. */
export const resamplingRule = z.object({
  order: z.union([z.literal(0), z.literal(1), z.literal(3)]),
  orderZ: z.union([z.literal(0), z.literal(1)]),
  /** null decides by the voxel sizes. */
  separateZ: z.boolean().nullable(),
});

/** How volumes are resampled; see the operator `resampleByPlans`. */
export type ResamplingRule = Readonly<z.infer<typeof resamplingRule>>;

/**
 * What nnU-Net does around its network, on the card of an imported model. Axes are those of voxels, x first
 * and fastest; nnU-Net lists them the other way round.
 */
export const nnunetCard = z.object({
  configuration: z.string(),
  plans: z.string(),
  trainer: z.string(),
  reader: z.enum(['SimpleITKIO', 'NibabelIO', 'NibabelIOWithReorient']),
  /** Network axis k is voxel axis `axes[k]` of the image as it is read. */
  axes: z.tuple([z.int(), z.int(), z.int()]),
  channels: z.array(channelScheme).min(1),
  /** Voxel size for the network in mm, after the axes were permuted. null keeps that of the image. */
  spacing: z.tuple([z.number().nullable(), z.number().nullable(), z.number().nullable()]),
  resampling: z.object({ data: resamplingRule, logits: resamplingRule }),
  /** The axes along which the training mirrored images. */
  mirror: z.array(axis),
  /** With regions: the label of each output channel. Later ones overwrite earlier ones. */
  regions: z.array(z.int().positive()).optional(),
  fileEnding: z.string(),
  /** The folds, each a model folder inside of this one. */
  folds: z.array(z.object({ name: z.string(), folder: z.string() })).min(1),
});

/** See `nnunetCard`. */
export type NnunetCard = Readonly<z.infer<typeof nnunetCard>>;
