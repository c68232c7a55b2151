/** Which values of a metric are better. */
export type Better = 'higher' | 'lower';

/**
 * Describes a metric: everything that tables, summaries and reports need to know about its values. It is
 * plain data, so it can be sent to other threads and written to files.
 */
export interface MetricDescription {
  /** The name that its columns in files begin with, e.g. `dice` for `dice_spleen`. */
  readonly name: string;
  /** The name for people, without the unit, e.g. `Dice` or `HD95`. */
  readonly title: string;
  /** The unit of its values, e.g. `mm` or `mL`. Left out if it has none. */
  readonly unit?: string;
  /** Which values are better. Left out if neither are, as for volumes. */
  readonly better?: Better;
  /** The lowest and the highest possible value, e.g. [0, 1] or [0, Infinity]. */
  readonly range: readonly [number, number];
  /** Whether a case with several labels also gets the mean over them. */
  readonly mean: boolean;
  /** What special values say about the two masks of a label. Summaries find missed labels with it. */
  readonly implies?: Implications;
}

/**
 * What a value can say about the masks of a label:
 * `predicted` or `notPredicted`: the prediction has the label, or does not have it;
 * `inReference` or `notInReference`: the same for the reference;
 * `noOverlap`: the two masks have no voxel in common;
 * `inOneOnly`: exactly one of the two masks is empty.
 */
export const maskFacts = [
  'predicted',
  'notPredicted',
  'inReference',
  'notInReference',
  'noOverlap',
  'inOneOnly',
] as const;

/** A fact about a pair of masks, e.g. that the prediction is empty. */
export type MaskFact = (typeof maskFacts)[number];

/** The facts that follow from a value that is 0, above 0, undefined (NaN) or infinite. */
export interface Implications {
  readonly zero?: readonly MaskFact[];
  readonly positive?: readonly MaskFact[];
  readonly nan?: readonly MaskFact[];
  readonly infinite?: readonly MaskFact[];
}

/** One value of a metric. */
export interface MetricValue {
  readonly metric: MetricDescription;
  /**
   * The label that was measured: its name, or its number where no name is known. Null for a value of all
   * labels together: the mean over labels if the metric has one (`metric.mean`), otherwise a value of the
   * case as a whole.
   */
  readonly label: string | null;
  /** NaN where the metric is undefined. */
  readonly value: number;
}

/** The metrics of one case. */
export interface MetricsRow {
  readonly case: string;
  readonly metrics: readonly MetricValue[];
}

/** The title of a metric with its unit, e.g. `HD95, mm`. */
export function titleWithUnit({ title, unit }: Pick<MetricDescription, 'title' | 'unit'>): string {
  return unit ? `${title}, ${unit}` : title;
}
