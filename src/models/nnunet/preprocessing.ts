import type { NnunetCard } from './card.js';

/** A card's block before its folds are known. */
type PlanCard = Omit<NnunetCard, 'folds'>;

/** A step by its name and options, as a pipeline file writes it. */
export type NamedStep = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** The key under which `cropNonzero` keeps its mask, for z-scores inside of it. */
const maskKey = 'nonzero';

/** The steps from an image as its file has it to the network's input, without the keys of volumes. */
export function preprocessingSteps({ reader, axes, channels, spacing, resampling }: PlanCard): NamedStep[] {
  const masked = channels.some(({ mask }) => mask);
  return [
    ...(reader === 'NibabelIOWithReorient' ? [{ orient: { axcodes: 'RAS' } }] : []),
    ...(axes.some((axis, k) => axis !== k) ? [{ permuteAxes: { axes } }] : []),
    { cropNonzero: masked ? { mask: maskKey } : {} },
    { normalizeByPlans: { channels } },
    { resampleByPlans: { spacing, ...resampling.data, back: resampling.logits } },
  ];
}

/** What the network takes, for the field `input` of a model's card. */
export function networkInput(card: PlanCard): Readonly<Record<string, unknown>> {
  const { reader, axes, spacing } = card;
  return {
    // In 2D, the voxel size across slices is that of the image.
    ...(spacing.every((mm) => mm !== null) && { spacing }),
    ...(reader === 'NibabelIOWithReorient' && { axcodes: axes.map((axis) => 'RAS'[axis]).join('') }),
    preprocessing: preprocessingSteps(card),
  };
}
