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

/** A metric's name as a person reads it, with its unit; see `parseColumn` for the metrics that are known. */
export function metricTitle(metric: string): string {
  const percentile = /^hd([0-9.]+)$/.exec(metric)?.[1];
  if (percentile) return `HD${percentile}, mm`;
  const directed = /^directed_(hd[0-9.]*)$/.exec(metric)?.[1];
  if (directed) return `Directed ${metricTitle(directed)}`;
  return titles[metric] ?? metric;
}
