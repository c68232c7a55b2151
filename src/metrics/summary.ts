import { quantileOf } from '../volume/quantile.js';
import { Random } from '../volume/random.js';
import { betterIn, parseColumn, presenceByLabel } from './columns.js';
import { alignColumns, decimalsFor, listSome } from './table.js';

/** A case's row of metrics, by column. */
export interface MetricsRow {
  readonly case: string;
  readonly metrics: Readonly<Record<string, number>>;
}

/** How values that are no number enter a summary. */
export type UndefinedAs = 'leftOut' | 'worst';

export interface SummaryOptions {
  /**
   * What becomes of values that are not defined (NaN) or infinite. `leftOut` (the default) leaves them out, NaN as MONAI
   * does. `worst` counts them as the worst value, as Metrics Reloaded (Maier-Hein et al., Nature Methods 2024) advises: 0
   * for shares such as Dice, the largest finite value of the column for distances. A label that is in neither
   * mask, or of which the row does not tell, is left out even then.
   */
  readonly undefinedAs?: UndefinedAs;
  /** Seed of the bootstrap. Default: 0. */
  readonly seed?: number;
}

/** Statistics of one metrics column. Numbers are null where there is no value, or too few for a spread. */
export interface ColumnSummary {
  /** How many values entered. */
  readonly n: number;
  readonly mean: number | null;
  /** The 95 % bootstrap confidence interval of the mean. */
  readonly ci95: readonly [number, number] | null;
  /** The sample's standard deviation, with n - 1. */
  readonly std: number | null;
  readonly median: number | null;
  readonly min: number | null;
  readonly max: number | null;
  /** The case of the smallest value, the first of equals. */
  readonly minCase: string | null;
  /** The case of the largest value, the first of equals. */
  readonly maxCase: string | null;
  /** The 5th, 25th, 75th and 95th percentile. */
  readonly percentiles: Readonly<Record<'5' | '25' | '75' | '95', number>> | null;
  /** Cases whose value is not defined (NaN). */
  readonly undefined: readonly string[];
  /** Cases whose value is infinite. */
  readonly infinite: readonly string[];
  /** Cases whose undefined or infinite value was counted as `worstValue`; the others were left out. */
  readonly countedAsWorst: readonly string[];
  readonly worstValue: number | null;
}

/** What `summary.json` holds. */
export interface Summary {
  /** The number of cases. */
  readonly cases: number;
  /** How values that are no number entered. */
  readonly undefinedAs: UndefinedAs;
  readonly metrics: Readonly<Record<string, ColumnSummary>>;
  /** By label, the cases that have it in the reference and where the prediction does not touch it. */
  readonly missed: Readonly<Record<string, readonly string[]>>;
}

/** Bootstrap resamples: enough that the interval's ends vary by about 1 % of its width. */
const resamples = 5000;

/**
 * Statistics over the cases for each metrics column, in the order in which columns first appear. A column that a case
 * does not have at all (not computed for it) counts neither as defined nor as undefined.
 */
export function summarize(rows: readonly MetricsRow[], options: SummaryOptions = {}): Summary {
  const { undefinedAs = 'leftOut', seed = 0 } = options;
  const columns = [...new Set(rows.flatMap(({ metrics }) => Object.keys(metrics)))];
  return {
    cases: rows.length,
    undefinedAs,
    metrics: Object.fromEntries(
      columns.map((column) => [column, summarizeColumn(rows, column, undefinedAs, seed)]),
    ),
    missed: findMissed(rows),
  };
}

function summarizeColumn(
  rows: readonly MetricsRow[],
  column: string,
  undefinedAs: UndefinedAs,
  seed: number,
): ColumnSummary {
  const present = rows.filter(({ metrics }) => column in metrics);
  const at = (row: MetricsRow) => row.metrics[column];
  const finite = present.filter((row) => Number.isFinite(at(row)));
  const odd = present.filter((row) => !Number.isFinite(at(row)));
  const worst = undefinedAs === 'worst' ? worstValue(column, finite.map(at)) : undefined;
  const label = parseColumn(column)?.label ?? '';
  const penalized =
    worst === undefined ? [] : odd.filter((row) => presenceByLabel(row.metrics).get(label)?.oneSided);
  const counted = present.filter((row) => Number.isFinite(at(row)) || penalized.includes(row));
  const values = counted.map((row) => (penalized.includes(row) ? worst! : at(row)));
  const names = (some: readonly MetricsRow[]) => some.map((row) => row.case);
  return {
    ...describe(values, names(counted), seed),
    undefined: names(odd.filter((row) => Number.isNaN(at(row)))),
    infinite: names(odd.filter((row) => !Number.isNaN(at(row)))),
    countedAsWorst: names(penalized),
    worstValue: worst ?? null,
  };
}

function describe(values: readonly number[], cases: readonly string[], seed: number) {
  const n = values.length;
  if (n === 0) {
    const none = { mean: null, ci95: null, std: null, median: null, min: null, max: null };
    return { n, ...none, minCase: null, maxCase: null, percentiles: null };
  }
  const sorted = Float64Array.from(values).sort();
  const mean = meanOf(values);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    n,
    mean,
    ci95: n > 1 ? bootstrapMean(values, seed) : null,
    std: n > 1 ? Math.sqrt(squares / (n - 1)) : null,
    median: quantileOf(sorted, 0.5),
    min: sorted[0],
    max: sorted[n - 1],
    minCase: cases[values.indexOf(sorted[0])],
    maxCase: cases[values.indexOf(sorted[n - 1])],
    percentiles: {
      5: quantileOf(sorted, 0.05),
      25: quantileOf(sorted, 0.25),
      75: quantileOf(sorted, 0.75),
      95: quantileOf(sorted, 0.95),
    },
  };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The 95 % confidence interval of the mean by the percentile bootstrap (Efron 1979): resampled cases, with repetition. */
export function bootstrapMean(values: readonly number[], seed: number): [number, number] {
  const random = new Random(seed);
  const means = new Float64Array(resamples);
  for (let i = 0; i < resamples; i++) {
    let sum = 0;
    for (let k = 0; k < values.length; k++) sum += values[random.integer(values.length)];
    means[i] = sum / values.length;
  }
  means.sort();
  return [quantileOf(means, 0.025), quantileOf(means, 0.975)];
}

function worstValue(column: string, finite: readonly number[]): number | undefined {
  const better = betterIn(column);
  if (better === 'higher') return 0;
  return better === 'lower' && finite.length > 0 ? Math.max(...finite) : undefined;
}

/** By label, the cases where it was missed. */
function findMissed(rows: readonly MetricsRow[]): Record<string, string[]> {
  const missed: Record<string, string[]> = {};
  for (const row of rows) {
    for (const [label, presence] of presenceByLabel(row.metrics)) {
      if (presence.missed && label !== 'mean') (missed[label] ??= []).push(row.case);
    }
  }
  return missed;
}

const heads = ['', 'n', 'mean', '95 % CI', 'std', 'median', '25 to 75 %', 'min', 'max', 'worst case'];

/**
 * A summary as text for a terminal: a line per metric, and below it what was left out or counted as worst, and which
 * labels were missed in which cases. Empty when there are no metrics.
 */
export function summaryTable(summary: Summary): string {
  if (Object.keys(summary.metrics).length === 0) return '';
  const lines = Object.entries(summary.metrics).map(([column, found]) => tableLine(column, found));
  return [...alignColumns([heads, ...lines]), ...summaryNotes(summary)].join('\n');
}

/** Sentences on what a summary left out or counted as worst, and on the labels that were missed. */
export function summaryNotes(summary: Summary): string[] {
  const notes = Object.entries(summary.metrics).flatMap(([column, found]) => oddNotes(column, found));
  for (const [label, cases] of Object.entries(summary.missed)) {
    notes.push(`${label} was missed in ${cases.length} of ${summary.cases} cases: ${listSome(cases)}.`);
  }
  return notes;
}

function tableLine(column: string, found: ColumnSummary): string[] {
  const { n, mean, ci95, std, median, percentiles, min, max } = found;
  const digits = decimalsFor([min, max]);
  const show = (value: number | null) => value?.toFixed(digits) ?? '-';
  const range = (low?: number, high?: number) =>
    low === undefined || high === undefined ? '-' : `${low.toFixed(digits)} to ${high.toFixed(digits)}`;
  const better = betterIn(column);
  const worst =
    better === 'higher' ? found.minCase : better === 'lower' ? (found.infinite[0] ?? found.maxCase) : null;
  return [
    column,
    String(n),
    show(mean),
    range(ci95?.[0], ci95?.[1]),
    show(std),
    show(median),
    range(percentiles?.[25], percentiles?.[75]),
    show(min),
    show(max),
    worst ?? '-',
  ];
}

function oddNotes(column: string, found: ColumnSummary): string[] {
  const kinds = [
    ['undefined', found.undefined],
    ['infinite', found.infinite],
  ] as const;
  return kinds.flatMap(([kind, cases]) => {
    const worst = cases.filter((name) => found.countedAsWorst.includes(name));
    const out = cases.filter((name) => !found.countedAsWorst.includes(name));
    return [
      ...(worst.length
        ? [`${column}: ${worst.length} ${kind}, counted as ${found.worstValue}: ${listSome(worst)}.`]
        : []),
      ...(out.length ? [`${column}: ${out.length} ${kind}, left out: ${listSome(out)}.`] : []),
    ];
  });
}
