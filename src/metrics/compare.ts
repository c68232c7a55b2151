import { listNames } from '../errors.js';
import { quantileOf } from '../volume/quantile.js';
import { type Column, tabulate } from './columns.js';
import { type ColumnDescription, describeColumns } from './describeColumns.js';
import { labelMatrix, matrixOf, matrixText } from './labelMatrix.js';
import type { Better, MetricsRow } from './metric.js';
import { bootstrapMean } from './summary.js';
import { alignBlocks, decimalsFor, fitColumns, listSome } from './table.js';
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
  /** What the columns hold. */
  readonly columns: Readonly<Record<string, ColumnDescription>>;
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
    return pairs.length > 0 ? [{ column, found: compareColumn(column, pairs, movers, seed) }] : [];
  });
  return {
    cases: both.length,
    onlyInA: [...inA.keys()].filter((id) => !inB.has(id)),
    onlyInB: [...inB.keys()].filter((id) => !inA.has(id)),
    metrics: Object.fromEntries(compared.map(({ column, found }) => [column.name, found])),
    columns: describeColumns(compared.map(({ column }) => column)),
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

/** Columns that a narrow terminal does without, the least important first. */
const optionalHeads = ['same', 'median', 'higher', 'lower', '95 % CI', 'n'];

/**
 * Formats a comparison as text for a terminal: a line per column, the worst movers, and the values left out.
 *
 * @param width The most characters of a line of the table.
 * @param full Print every column, in several blocks where one is too wide. Without it, columns are left out
 * and names shortened to fit, and many labels and metrics become a matrix of mean differences with only the
 * worst movers of the first metric with a better end.
 */
export function comparisonTable(
  comparison: Comparison,
  width = Number.POSITIVE_INFINITY,
  full = true,
): string {
  const { cases, onlyInA, onlyInB, metrics } = comparison;
  const matrix = full ? undefined : labelMatrix(comparison.columns);
  const notes = [
    ...(matrix
      ? worstOfAll(comparison)
      : Object.entries(metrics).flatMap(([column, found]) => moverNotes(column, found))),
    ...changedKinds(comparison).map(
      ({ columns, movers }) =>
        `${listNames(columns)}, undefined or infinite in one run, left out: ${movers.join(', ')}.`,
    ),
  ];
  const only = (run: string, names: readonly string[]) =>
    names.length > 0 ? [`Only in ${run}, left out: ${listSome(names)}.`] : [];
  const rows = Object.entries(metrics).map(([name, found]) => tableLine(name, found));
  return [
    matrix
      ? `${cases} case(s) in both runs.`
      : `${cases} case(s) in both runs. p: Wilcoxon signed-rank test, two-sided, not corrected for the number of metrics.`,
    ...only('A', onlyInA),
    ...only('B', onlyInB),
    '',
    ...(matrix
      ? [
          matrixText(
            {
              ...matrixOf(matrix, 'B - A', (column) => metrics[column].meanDifference),
              signed: true,
            },
            width,
          ),
          'These are mean differences. --full prints the means, the intervals and p of all columns.',
        ]
      : full
        ? alignBlocks([heads, ...rows], width)
        : fitColumns([heads, ...rows], width, optionalHeads)),
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

function moverNotes(column: string, { betterIs, worstMovers }: ColumnComparison): string[] {
  const moved = betterIs ? 'got worse the most' : 'changed the most';
  return worstMovers.length > 0 ? [`${column}, ${moved}: ${worstMovers.map(showMove).join(', ')}.`] : [];
}

/** The labels and cases that got worse the most by the first metric that has a better end, on one line. */
function worstOfAll({ metrics, columns }: Comparison): string[] {
  const main = Object.values(columns).find(({ better }) => better);
  const ofMain = Object.entries(metrics).filter(([name]) => main && columns[name].metric === main.metric);
  const movers = ofMain
    .flatMap(([name, { worstMovers }]) =>
      worstMovers.map((mover) => ({ ...mover, case: `${columns[name].label ?? 'mean'} in ${mover.case}` })),
    )
    .sort((x, y) => Math.abs(y.b - y.a) - Math.abs(x.b - x.a))
    .slice(0, Math.max(0, ...ofMain.map(([, { worstMovers }]) => worstMovers.length)));
  return main && movers.length > 0
    ? [`${main.metric}, got worse the most: ${movers.map(showMove).join(', ')}.`]
    : [];
}

/**
 * The cases whose values are undefined or infinite in one run. Columns with the same values in the same cases
 * share an entry.
 */
export function changedKinds({ metrics }: Comparison): {
  readonly columns: readonly string[];
  /** Per case, its id with both values. */
  readonly movers: readonly string[];
  readonly cases: readonly string[];
}[] {
  const kinds = new Map<string, { columns: string[]; movers: string[]; cases: string[] }>();
  for (const [column, { changedKind }] of Object.entries(metrics)) {
    if (changedKind.length === 0) continue;
    const movers = changedKind.map(showMove);
    const known = kinds.get(movers.join());
    if (known) known.columns.push(column);
    else kinds.set(movers.join(), { columns: [column], movers, cases: changedKind.map((one) => one.case) });
  }
  return [...kinds.values()];
}

const showMove = ({ case: id, a, b }: Mover) => `${id} ${showNumber(a)} → ${showNumber(b)}`;

function showNumber(value: number): string {
  if (Number.isNaN(value)) return 'undefined';
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : 'inf';
}
