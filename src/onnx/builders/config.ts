import { z } from 'zod';
import { listNames } from '../../errors.js';

/** Three numbers, one for each spatial axis of a tensor [N, C, X, Y, Z] in that order. */
export type Axes = readonly [number, number, number];

/** More than any published network has, and few enough that a weight's size is an exact number. */
const count = z.int().positive().max(65_536);

/** A number of channels, units or blocks. */
export const channelCount = count;

/** Channels of the image, and channels (classes) of the output. */
export const inChannels = count.describe('Channels of the image');
export const outChannels = count.describe('Channels of the output: one for each class');

/** One whole number for all axes, or three. */
export const perAxis = z.union([count, z.tuple([count, count, count])]).transform((value): Axes => {
  return typeof value === 'number' ? [value, value, value] : value;
});

/** A value for each axis. */
export function eachAxis(value: (axis: 0 | 1 | 2) => number): Axes {
  return [value(0), value(1), value(2)];
}

/** Only 3D networks are built. */
export const spatialDims = z.literal(3).default(3).describe('Only networks of 3D images can be built');

/** Options of normalizations that only training uses. */
const training = { momentum: z.number().nullable().optional() };
const eps = z.number().positive().max(1).default(1e-5);

/** @param affine Whether an instance normalization has a scale and an offset when nothing is said. */
const normsWith = (affine: boolean) => ({
  instance: z.strictObject({
    affine: z.boolean().default(affine),
    track_running_stats: z.boolean().default(false),
    eps,
    ...training,
  }),
  batch: z.strictObject({
    affine: z.boolean().default(true),
    // Without them, a batch would be normalized by its own statistics at inference too.
    track_running_stats: z.literal(true).default(true),
    eps,
    ...training,
  }),
  group: z.strictObject({ num_groups: count, affine: z.boolean().default(true), eps }),
});

/** `inplace` saves memory in PyTorch; the numbers are the same. */
const inplace = { inplace: z.boolean().optional() };
const alpha = z.number().min(-1000).max(1000).default(1);

const acts = {
  relu: z.strictObject(inplace),
  leakyrelu: z.strictObject({ negative_slope: z.number().min(-1000).max(1000).default(0.01), ...inplace }),
  // `init` is where training begins.
  prelu: z.strictObject({ num_parameters: count.default(1), init: z.number().optional() }),
  elu: z.strictObject({ alpha, ...inplace }),
  celu: z.strictObject({ alpha, ...inplace }),
  selu: z.strictObject(inplace),
  relu6: z.strictObject(inplace),
  gelu: z.strictObject({ approximate: z.literal('none').optional() }),
  sigmoid: z.strictObject({}),
  tanh: z.strictObject({}),
  swish: z.strictObject({ alpha, ...inplace }),
  mish: z.strictObject(inplace),
};

/** Other names of the same functions. */
const aliases: Readonly<Record<string, string>> = {
  // What Auto3DSeg writes, and training on several GPUs: the same at inference.
  instance_nvfuser: 'instance',
  syncbatch: 'batch',
  memswish: 'swish',
};

type Choice<Table extends Record<string, z.ZodType>> = {
  [Name in keyof Table]: { readonly kind: Name } & z.output<Table[Name]>;
}[keyof Table];

/** A normalization. Its options are filled in with PyTorch's defaults. */
export type Norm = Choice<ReturnType<typeof normsWith>>;
/** An activation. Its options are filled in with PyTorch's defaults. */
export type Act = Choice<typeof acts>;

/** What MONAI writes as `"batch"` or `["group", { "num_groups": 4 }]`; letter case does not matter. */
function choiceOf<Table extends Record<string, z.ZodType>>(table: Table) {
  const written = z.union([
    z.string(),
    z.tuple([z.string()]),
    z.tuple([z.string(), z.record(z.string(), z.unknown())]),
  ]);
  return written.transform((value, context): Choice<Table> => {
    const [name, options = {}] = typeof value === 'string' ? [value] : value;
    const lower = name.toLowerCase();
    const kind = Object.hasOwn(aliases, lower) ? aliases[lower] : lower;
    if (!Object.hasOwn(table, kind)) {
      const names = listNames(Object.keys(table), 'or');
      context.addIssue({ code: 'custom', message: names, input: value });
      return z.NEVER;
    }
    const parsed = table[kind].safeParse(options, { reportInput: true });
    if (!parsed.success) {
      for (const issue of parsed.error.issues) {
        const path = issue.path.length > 0 ? `${issue.path.join('.')}: ` : '';
        const message = `"${kind}" with options that fit it (${path}${issue.message})`;
        context.addIssue({ code: 'custom', message, input: value });
      }
      return z.NEVER;
    }
    return { kind, ...(parsed.data as object) } as Choice<Table>;
  });
}

/** A normalization, as MONAI writes it. */
export const normOption = choiceOf(normsWith(false));
/** The same, for networks whose instance normalizations have parameters by default. */
export const affineNormOption = choiceOf(normsWith(true));
/** An activation, as MONAI writes it. */
export const actOption = choiceOf(acts);

/** Dropout does nothing at inference, whatever its form: a probability, or a kind with options. */
export const dropout = z
  .union([z.number().min(0).max(1), z.tuple([z.string(), z.record(z.string(), z.unknown())])])
  .nullable()
  .optional()
  .describe('Probability of dropout, which does nothing at inference');

/** The order of normalization, dropout and activation. */
export const adnOrdering = z
  .string()
  .regex(/^(?!.*(.).*\1)[nda]*$/i, { error: 'some of the letters N, D and A, each at most once' });

/** MONAI's ways to double sizes. */
export const upSampleMode = z.enum(['deconv', 'deconvgroup', 'nontrainable', 'pixelshuffle']);

/** A probability of dropout that MONAI's class takes as a number. */
export const dropoutRate = z
  .number()
  .min(0)
  .max(1)
  .nullable()
  .optional()
  .describe('Probability of dropout, which does nothing at inference');
