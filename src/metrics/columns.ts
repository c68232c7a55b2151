/** A metrics column's name, taken apart: `hd95_spleen` is the metric `hd95` of the label `spleen`. */
export interface Column {
  readonly metric: string;
  /** The label's name or number, or `mean`. */
  readonly label: string;
}

const shares = ['dice', 'iou', 'nsd', 'sensitivity', 'specificity', 'precision'];
const distances = ['hd[0-9.]*', 'directed_hd[0-9.]*', 'assd', 'asd'];
const amounts = [
  'volume_ml_ref',
  'volume_ml',
  'volume_difference_ml',
  'volume_relative',
  'components_ref',
  'components',
];

const known = new RegExp(`^(${[...shares, ...distances, ...amounts].join('|')})_(.+)$`);
const isDistance = new RegExp(`^(${distances.join('|')})$`);

/** Takes the name of a metrics column apart; undefined for one that none of the metrics operators writes. */
export function parseColumn(column: string): Column | undefined {
  const match = known.exec(column);
  return match ? { metric: match[1], label: match[2] } : undefined;
}

/** Which values of a column are better; undefined where neither are, as of volumes, or where it is not known. */
export function betterIn(column: string): 'higher' | 'lower' | undefined {
  const metric = parseColumn(column)?.metric ?? '';
  if (shares.includes(metric)) return 'higher';
  return isDistance.test(metric) ? 'lower' : undefined;
}

/** The two masks of a label, as far as a row of metrics tells. */
export interface Presence {
  /** The reference has the label, and not one of its voxels was found. */
  readonly missed: boolean;
  /** The label is in one of the two masks and not in the other. */
  readonly oneSided: boolean;
}

/** What a case's metrics tell of each label (and of the mean over labels). */
export function presenceByLabel(metrics: Readonly<Record<string, number>>): Map<string, Presence> {
  const byLabel = new Map<string, Map<string, number>>();
  for (const [column, value] of Object.entries(metrics)) {
    const parsed = parseColumn(column);
    if (!parsed) continue;
    const values = byLabel.get(parsed.label) ?? new Map<string, number>();
    byLabel.set(parsed.label, values.set(parsed.metric, value));
  }
  return new Map([...byLabel].map(([label, values]) => [label, presenceOf(values)]));
}

function presenceOf(values: ReadonlyMap<string, number>): Presence {
  const is = (metric: string, test: (value: number) => boolean) =>
    values.has(metric) && test(values.get(metric)!);
  const zero = (value: number) => value === 0;
  const some = (value: number) => value > 0;
  const nothingPredicted = is('precision', Number.isNaN) || is('volume_ml', zero);
  const nothingThere =
    is('sensitivity', Number.isNaN) || is('dice', Number.isNaN) || is('volume_ml_ref', zero);
  const infinite = [...values].some(
    ([metric, value]) => isDistance.test(metric) && value === Number.POSITIVE_INFINITY,
  );
  const missed =
    ['dice', 'iou', 'sensitivity'].some((metric) => is(metric, zero)) ||
    (nothingPredicted && is('volume_ml_ref', some));
  return {
    missed,
    oneSided:
      infinite ||
      (missed && nothingPredicted) ||
      (nothingThere && (is('precision', zero) || is('volume_ml', some))),
  };
}
