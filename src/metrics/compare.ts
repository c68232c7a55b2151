import { quantileOf } from '../volume/quantile.js';
import { type Column, tabulate } from './columns.js';
import type { Better, MetricsRow } from './metric.js';
import { bootstrapMean } from './summary.js';
import { alignColumns, decimalsFor, listSome } from './table.js';
import { signedRankTest } from './wilcoxon.js';

/** A case whose value differs between two runs. */
export interface Mover {
  readonly case: string;
  readonly a: number;
  readonly b: number;
}

/** How a metrics column differs between two runs, over the cases whose values are finite in both. */
export interface ColumnComparison {
  readonly n: number;
  readonly meanA: number | null;
  readonly meanB: number | null;
  /** The mean of B - A. */
  readonly meanDifference: number | null;
  /** The 95 % bootstrap confidence interval of the mean difference. */
  readonly ci95: readonly [number, number] | null;
  readonly medianDifference: number | null;
  /** The number of cases where B is higher, lower or the same. */
  readonly higher: number;
  readonly lower: number;
  readonly same: number;
  /** Which values are better; null if neither are. */
  readonly betterIs: Better | null;
  /** The two-sided p-value of the Wilcoxon signed-rank test; null if nothing differs. */
  readonly p: number | null;
  /**
   * The cases that got worse most, or if neither direction is better, those that changed most. Largest change
   * first.
   */
  readonly worstMovers: readonly Mover[];
  /** Cases that are undefined or infinite in one run and different in the other. They are left out. */
  readonly changedKind: readonly Mover[];
}

/** How two runs differ. */
export interface Comparison {
  /** The number of cases that both runs have. */
  readonly cases: number;
  readonly onlyInA: readonly string[];
  readonly onlyInB: readonly string[];
  /** By column. */
  readonly metrics: Readonly<Record<string, ColumnComparison>>;
}

export interface CompareOptions {
  /** How many worst movers to name for each metric. Default: 5. */
  readonly movers?: number;
  /** Seed of the bootstrap. Default: 0. */
  readonly seed?: number;
}

/**
 * Compares the metrics of two runs case by case: B with A, over the cases and columns that both have.
 *
 * @throws DataError if the name of a column stands for two different things.
 */
export function compareRuns(
  a: readonly MetricsRow[],
  b: readonly MetricsRow[],
  { movers = 5, seed = 0 }: CompareOptions = {},
): Comparison {
  const { columns, rows } = tabulate([...a, ...b]);
  const inA = new Map(rows.slice(0, a.length).map((row) => [row.case, row.values]));
  const inB = new Map(rows.slice(a.length).map((row) => [row.case, row.values]));
  const both = [...inA].flatMap(([id, values]) => {
    const others = inB.get(id);
    return others ? [{ case: id, a: values, b: others }] : [];
  });
  const compared = columns.flatMap((column) => {
    const { name } = column;
    const pairs = both.flatMap((pair) =>
      name in pair.a && name in pair.b ? [{ case: pair.case, a: pair.a[name], b: pair.b[name] }] : [],
    );
    return pairs.length > 0 ? [[name, compareColumn(column, pairs, movers, seed)] as const] : [];
  });
  return {
    cases: both.length,
    onlyInA: [...inA.keys()].filter((id) => !inB.has(id)),
    onlyInB: [...inB.keys()].filter((id) => !inA.has(id)),
    metrics: Object.fromEntries(compared),
  };
}

function compareColumn(
  { metric }: Column,
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
  const betterIs = metric.better ?? null;
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

/**
 * Formats a comparison as text for a terminal: a line per column, the worst movers, and the values left out.
 */
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
  const move = ({ case: id, a, b }: Mover) => `${id} ${showNumber(a)} → ${showNumber(b)}`;
  const moved = betterIs ? 'got worse the most' : 'changed the most';
  return [
    ...(worstMovers.length > 0 ? [`${column}, ${moved}: ${worstMovers.map(move).join(', ')}.`] : []),
    ...(changedKind.length > 0
      ? [`${column}, undefined or infinite in one run, left out: ${changedKind.map(move).join(', ')}.`]
      : []),
  ];
}

function showNumber(value: number): string {
  if (Number.isNaN(value)) return 'undefined';
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : 'inf';
}
