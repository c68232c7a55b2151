import { betterIn, parseColumn } from '../metrics/columns.js';

/** A metrics column and what the pages need to know about its metric. */
export interface MetricColumn {
  /** Its name in `metrics.csv`. */
  readonly name: string;
  /** The metric alone, `dice`; the whole name for columns of unknown metrics. */
  readonly metric: string;
  /** The metric as a person reads it, with its unit. */
  readonly title: string;
  /** The label's name; empty for columns of unknown metrics, which belong to the case as a whole. */
  readonly label: string;
  /** Which values are better; undefined where neither are, or where it is unknown. */
  readonly better: 'higher' | 'lower' | undefined;
  /** The lowest and the highest value that the metric can have. */
  readonly range: readonly [number, number];
}

const titles: Readonly<Record<string, string>> = {
  dice: 'Dice',
  iou: 'IoU',
  nsd: 'Surface Dice',
  sensitivity: 'Sensitivity',
  specificity: 'Specificity',
  precision: 'Precision',
  hd: 'Hausdorff, mm',
  assd: 'ASSD, mm',
  asd: 'ASD, mm',
  volume_ml: 'Volume, mL',
  volume_ml_ref: 'Reference, mL',
  volume_difference_ml: 'Difference, mL',
  volume_relative: 'Relative difference',
  components: 'Components',
  components_ref: 'Reference components',
};

/** Describes a metrics column by its name. No other part of the report knows metrics by their names. */
export function metricColumn(name: string): MetricColumn {
  const { metric, label } = parseColumn(name) ?? { metric: name, label: '' };
  const better = betterIn(name);
  return { name, metric, label, title: titleOf(metric), better, range: rangeOf(better) };
}

function titleOf(metric: string): string {
  const percentile = /^hd([0-9.]+)$/.exec(metric)?.[1];
  if (percentile) return `HD${percentile}, mm`;
  const directed = /^directed_(hd[0-9.]*)$/.exec(metric)?.[1];
  if (directed) return `Directed ${titleOf(directed)}`;
  return titles[metric] ?? metric;
}

/**
 * Metrics whose higher values are better are shares, and those whose lower values are better are distances.
 */
function rangeOf(better: MetricColumn['better']): readonly [number, number] {
  if (better === 'higher') return [0, 1];
  return [better === 'lower' ? 0 : Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
}
