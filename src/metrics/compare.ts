import { quantileOf } from '../volume/quantile.js';
import { betterIn } from './columns.js';
import { bootstrapMean, type MetricsRow } from './summary.js';
import { alignColumns, decimalsFor, listSome } from './table.js';
import { signedRankTest } from './wilcoxon.js';

/** A case whose value differs between two runs. */
export interface Mover {
  readonly case: string;
  readonly a: number;
  readonly b: number;
}

/** How a column of metrics differs between two runs, over the cases that are finite in both. */
export interface ColumnComparison {
  readonly n: number;
  readonly meanA: number | null;
  readonly meanB: number | null;
  /** Mean of B - A, its 95 % bootstrap confidence interval, and the median. */
  readonly meanDifference: number | null;
  readonly ci95: readonly [number, number] | null;
  readonly medianDifference: number | null;
  /** In how many cases B is higher, lower and the same. */
  readonly higher: number;
  readonly lower: number;
  readonly same: number;
  /** Which values are better: `higher` or `lower`; null where neither are. */
  readonly betterIs: 'higher' | 'lower' | null;
  /** Two-sided p-value of the Wilcoxon signed-rank test; null when nothing differs. */
  readonly p: number | null;
  /** The cases that got worse most, the worst first; where neither direction is better, those that changed most. */
  readonly worstMovers: readonly Mover[];
  /** Cases that are undefined or infinite in a run and not the same in the other; left out. */
  readonly changedKind: readonly Mover[];
}

/** How two runs differ. */
export interface Comparison {
  /** Cases that both have. */
  readonly cases: number;
  readonly onlyInA: readonly string[];
  readonly onlyInB: readonly string[];
  readonly metrics: Readonly<Record<string, ColumnComparison>>;
}

export interface CompareOptions {
  /** How many worst movers to name for each metric. Default: 5. */
  readonly movers?: number;
  /** Seed of the bootstrap. Default: 0. */
  readonly seed?: number;
}

/** Compares the metrics of two runs case by case: B with A, over the cases and columns that both have. */
export function compareRuns(
  a: readonly MetricsRow[],
  b: readonly MetricsRow[],
  { movers = 5, seed = 0 }: CompareOptions = {},
): Comparison {
  const inB = new Map(b.map((row) => [row.case, row.metrics]));
  const inA = new Set(a.map((row) => row.case));
  const both = a.flatMap((row) => {
    const metrics = inB.get(row.case);
    return metrics ? [{ case: row.case, a: row.metrics, b: metrics }] : [];
  });
  const columns = new Set(both.flatMap((pair) => Object.keys(pair.a).filter((column) => column in pair.b)));
  const compared = [...columns].map((column) => {
    const pairs = both.flatMap((pair) =>
      column in pair.a && column in pair.b ? [{ case: pair.case, a: pair.a[column], b: pair.b[column] }] : [],
    );
    return [column, compareColumn(column, pairs, movers, seed)] as const;
  });
  return {
    cases: both.length,
    onlyInA: a.flatMap((row) => (inB.has(row.case) ? [] : [row.case])),
    onlyInB: b.flatMap((row) => (inA.has(row.case) ? [] : [row.case])),
    metrics: Object.fromEntries(compared),
  };
}

function compareColumn(
  column: string,
  pairs: readonly Mover[],
  movers: number,
  seed: number,
): ColumnComparison {
  const finite = pairs.filter(({ a, b }) => Number.isFinite(a) && Number.isFinite(b));
  const odd = pairs.filter(({ a, b }) => !(Number.isFinite(a) && Number.isFinite(b)) && !Object.is(a, b));
  const differences = finite.map(({ a, b }) => b - a);
  const n = finite.length;
  const mean = (values: readonly number[]) =>
    n > 0 ? values.reduce((sum, value) => sum + value, 0) / n : null;
  const count = (sign: number) => differences.filter((value) => Math.sign(value) === sign).length;
  const betterIs = betterIn(column) ?? null;
  const badness = ({ a, b }: Mover) =>
    betterIs === 'higher' ? a - b : betterIs === 'lower' ? b - a : Math.abs(b - a);
  return {
    n,
    meanA: mean(finite.map(({ a }) => a)),
    meanB: mean(finite.map(({ b }) => b)),
    meanDifference: mean(differences),
    ci95: n > 1 ? bootstrapMean(differences, seed) : null,
    medianDifference: n > 0 ? quantileOf(Float64Array.from(differences).sort(), 0.5) : null,
    higher: count(1),
    lower: count(-1),
    same: count(0),
    betterIs,
    p: signedRankTest(differences).p,
    worstMovers: finite
      .filter((pair) => badness(pair) > 0)
      .sort((x, y) => badness(y) - badness(x))
      .slice(0, movers),
    changedKind: odd,
  };
}

const heads = ['', 'n', 'mean A', 'mean B', 'B - A', '95 % CI', 'median', 'higher', 'lower', 'same', 'p'];

/** A comparison as text for a terminal: a line per metric, then the worst movers and what could not be compared. */
export function comparisonTable(comparison: Comparison): string {
  const { cases, onlyInA, onlyInB, metrics } = comparison;
  const lines = Object.entries(metrics).map(([column, found]) => tableLine(column, found));
  const notes = Object.entries(metrics).flatMap(([column, found]) => columnNotes(column, found));
  const only = (run: string, names: readonly string[]) =>
    names.length > 0 ? [`Only in ${run}, left out: ${listSome(names)}.`] : [];
  return [
    `${cases} case(s) in both runs. p: Wilcoxon signed-rank test, two-sided, not corrected for the number of metrics.`,
    ...only('A', onlyInA),
    ...only('B', onlyInB),
    '',
    ...alignColumns([heads, ...lines]),
    ...(notes.length > 0 ? ['', ...notes] : []),
  ].join('\n');
}

function tableLine(column: string, found: ColumnComparison): string[] {
  const digits = decimalsFor([found.meanA, found.meanB]);
  const show = (value: number | null) => value?.toFixed(digits) ?? '-';
  const signed = (value: number | null) => (value !== null && value > 0 ? '+' : '') + show(value);
  return [
    column,
    String(found.n),
    show(found.meanA),
    show(found.meanB),
    signed(found.meanDifference),
    found.ci95 ? `${signed(found.ci95[0])} to ${signed(found.ci95[1])}` : '-',
    signed(found.medianDifference),
    String(found.higher),
    String(found.lower),
    String(found.same),
    found.p === null ? '-' : found.p < 0.0001 ? '< 0.0001' : found.p.toFixed(4),
  ];
}

function columnNotes(column: string, { betterIs, worstMovers, changedKind }: ColumnComparison): string[] {
  const tell = ({ case: id, a, b }: Mover) => `${id} ${showNumber(a)} → ${showNumber(b)}`;
  const moved = betterIs ? 'worse most' : 'changed most';
  return [
    ...(worstMovers.length > 0 ? [`${column}, ${moved}: ${worstMovers.map(tell).join(', ')}.`] : []),
    ...(changedKind.length > 0
      ? [`${column}, undefined or infinite in one run, left out: ${changedKind.map(tell).join(', ')}.`]
      : []),
  ];
}

function showNumber(value: number): string {
  if (Number.isNaN(value)) return 'undefined';
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : 'inf';
}
