import { listNames } from '../errors.js';
import { quantileOf } from '../volume/quantile.js';
import { Random } from '../volume/random.js';
import { type Column, type NamedValues, tabulate } from './columns.js';
import { type ColumnDescription, describeColumns } from './describeColumns.js';
import { labelMatrix, matrixOf, matrixText } from './labelMatrix.js';
import type { Better, MetricsRow } from './metric.js';
import { isOfLabels, type Presence, presenceByLabel } from './presence.js';
import { alignBlocks, decimalsFor, fitColumns, listSome } from './table.js';

/** How undefined and infinite values enter a summary. */
export type UndefinedAs = 'leftOut' | 'worst';

/** How metrics are summarized. */
export interface SummaryOptions {
  /**
   * How undefined (NaN) and infinite values count. `leftOut` (the default) leaves them out; MONAI does so
   * with NaN. `worst` counts them as the worst value, as Metrics Reloaded (Maier-Hein et al., Nature Methods
   * 2024) recommends: the worst end of the metric's range, e.g. 0 for Dice, or where the range has no such
   * end (distances), the worst finite value of the column. Cases that have the label in neither mask are
   * still left out, and so are those whose metrics do not show whether they have it.
   */
  readonly undefinedAs?: UndefinedAs;
  /** Seed of the bootstrap. Default: 0. */
  readonly seed?: number;
}

/** Statistics of one metrics column. They are null if there are no values, or too few. */
export interface ColumnSummary {
  /** The number of values that count. */
  readonly n: number;
  readonly mean: number | null;
  /** The 95 % bootstrap confidence interval of the mean. */
  readonly ci95: readonly [number, number] | null;
  /** The sample standard deviation (n - 1). */
  readonly std: number | null;
  readonly median: number | null;
  readonly min: number | null;
  readonly max: number | null;
  /** The first case with the smallest value. */
  readonly minCase: string | null;
  /** The first case with the largest value. */
  readonly maxCase: string | null;
  /** The 5th, 25th, 75th and 95th percentiles. */
  readonly percentiles: Readonly<Record<'5' | '25' | '75' | '95', number>> | null;
  /** Cases whose value is undefined (NaN). */
  readonly undefined: readonly string[];
  /** Cases whose value is infinite. */
  readonly infinite: readonly string[];
  /** Cases whose undefined or infinite value counts as `worstValue`. The others are left out. */
  readonly countedAsWorst: readonly string[];
  readonly worstValue: number | null;
}

/** The content of `summary.json`. */
export interface Summary {
  /** The number of cases. */
  readonly cases: number;
  /** How undefined and infinite values count. */
  readonly undefinedAs: UndefinedAs;
  /** Statistics by column. */
  readonly metrics: Readonly<Record<string, ColumnSummary>>;
  /** What each column holds: metric, label, title, unit, direction and range. */
  readonly columns: Readonly<Record<string, ColumnDescription>>;
  /** By label, the cases whose reference has the label while the prediction does not touch it. */
  readonly missed: Readonly<Record<string, readonly string[]>>;
}

/** Enough that the ends of the interval vary by about 1 % of its width. */
const resamples = 5000;

/**
 * Computes statistics over the cases for each metrics column, in the order in which columns first appear. A
 * case that lacks a column counts neither as defined nor as undefined in it.
 *
 * @throws DataError if the name of a column stands for two different things.
 */
export function summarize(rows: readonly MetricsRow[], options: SummaryOptions = {}): Summary {
  const { undefinedAs = 'leftOut', seed = 0 } = options;
  const { columns, rows: named } = tabulate(rows);
  const cases = named.map((row, i): SummaryRow => ({ ...row, presence: presenceByLabel(rows[i].metrics) }));
  const metrics = columns.map((column) => [column.name, summarizeColumn(cases, column, undefinedAs, seed)]);
  return {
    cases: rows.length,
    undefinedAs,
    metrics: Object.fromEntries(metrics),
    columns: describeColumns(columns),
    missed: findMissed(cases),
  };
}

interface SummaryRow {
  readonly case: string;
  readonly values: NamedValues;
  readonly presence: ReadonlyMap<string | null, Presence>;
}

function summarizeColumn(
  rows: readonly SummaryRow[],
  column: Column,
  undefinedAs: UndefinedAs,
  seed: number,
): ColumnSummary {
  const present = rows.filter(({ values }) => column.name in values);
  const at = (row: SummaryRow) => row.values[column.name];
  const finite = present.filter((row) => Number.isFinite(at(row)));
  const odd = present.filter((row) => !Number.isFinite(at(row)));
  const worst = undefinedAs === 'worst' ? worstValue(column, finite.map(at)) : undefined;
  const oneSided = ({ presence }: SummaryRow) =>
    isOfLabels(column) && presence.get(column.label)?.oneSided === true;
  const penalized = worst === undefined ? [] : odd.filter(oneSided);
  const counted = present.filter((row) => Number.isFinite(at(row)) || penalized.includes(row));
  const values = counted.map((row) => (penalized.includes(row) ? worst! : at(row)));
  const names = (some: readonly SummaryRow[]) => some.map((row) => row.case);
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

/** The 95 % confidence interval of the mean by the percentile bootstrap (Efron 1979). */
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

/** The worst end of the metric's range, or if it is infinite, the worst finite value. */
function worstValue({ metric }: Column, finite: readonly number[]): number | undefined {
  const { better, range } = metric;
  if (!better) return undefined;
  const worstEnd = better === 'higher' ? range[0] : range[1];
  if (Number.isFinite(worstEnd)) return worstEnd;
  if (finite.length === 0) return undefined;
  return better === 'higher' ? Math.min(...finite) : Math.max(...finite);
}

/** By label, the cases where it was missed. */
function findMissed(rows: readonly SummaryRow[]): Record<string, string[]> {
  const missed = new Map<string, string[]>();
  for (const { case: id, presence } of rows) {
    for (const [label, found] of presence) {
      if (found.missed && label !== null) missed.set(label, [...(missed.get(label) ?? []), id]);
    }
  }
  return Object.fromEntries(missed);
}

const heads = ['', 'n', 'mean', '95 % CI', 'std', 'median', '25 to 75 %', 'min', 'max', 'worst case'];

/** Columns that a narrow terminal does without, the least important first. */
const optionalHeads = ['25 to 75 %', 'std', 'max', '95 % CI', 'min', 'n'];

/**
 * Formats a summary as text for a terminal: a line per column, then which values were left out or counted as
 * worst, and which labels were missed. Empty if there are no metrics.
 *
 * @param width The most characters of a line of the table.
 * @param full Print every column, in several blocks where one is too wide. Without it, columns are left out
 * and names shortened to fit, and many labels and metrics become a matrix of means.
 */
export function summaryTable(summary: Summary, width = Number.POSITIVE_INFINITY, full = true): string {
  if (Object.keys(summary.metrics).length === 0) return '';
  const notes = summaryNotes(summary).map(({ text, cases }) => `${text}: ${listSome(cases)}.`);
  return [...tableLines(summary, width, full), ...notes].join('\n');
}

function tableLines(summary: Summary, width: number, full: boolean): string[] {
  const { metrics, columns } = summary;
  const matrix = full ? undefined : labelMatrix(columns);
  if (matrix) {
    const means = matrixOf(matrix, 'mean', (column) => metrics[column].mean);
    return [matrixText(means, width), 'These are means over cases. --full prints all statistics.'];
  }
  const rows = Object.entries(metrics).map(([column, found]) =>
    tableLine(column, found, columns[column].better),
  );
  return full
    ? alignBlocks([heads, ...rows], width)
    : fitColumns([heads, ...rows], width, optionalHeads, true);
}

/** What the user should know about a summary: a clause, and the cases that it is about. */
export interface SummaryNote {
  readonly text: string;
  readonly cases: readonly string[];
}

/**
 * Which values were left out or counted as worst, and which labels were missed. Columns of a label that say
 * the same of the same cases share a note, and a missed label has one note for all of its columns.
 */
export function summaryNotes(summary: Summary): SummaryNote[] {
  const odd = groupOdd(
    Object.entries(summary.metrics).flatMap(([name, found]) => oddValues(summary, name, found)),
  );
  const missed = Object.entries(summary.missed).map(([label, cases]): SummaryNote => {
    const there = odd.filter((note) => note.label === label && note.cases.join() === cases.join());
    const effects = there.map(
      (note) => `${listNames(metricsOf(note))} ${be(note)} ${note.kind} there and ${note.effect}`,
    );
    const text = `${label} was missed in ${cases.length} of ${summary.cases} cases`;
    return { text: [text, ...effects].join('; '), cases };
  });
  const others = odd.filter(
    ({ label, cases }) => (summary.missed[label ?? ''] ?? []).join() !== cases.join(),
  );
  return [...others.map(oddNote), ...missed];
}

/**
 * Values that are not finite: those of some columns of a label, in the same cases and with the same effect.
 */
interface OddValues {
  readonly columns: readonly { readonly name: string; readonly metric: string }[];
  readonly label: string | null;
  readonly kind: 'undefined' | 'infinite';
  readonly effect: string;
  readonly cases: readonly string[];
}

function oddValues({ columns }: Summary, name: string, found: ColumnSummary): OddValues[] {
  const kinds = [
    ['undefined', found.undefined],
    ['infinite', found.infinite],
  ] as const;
  const { label, metric } = columns[name];
  return kinds.flatMap(([kind, cases]) => {
    const isWorst = (id: string) => found.countedAsWorst.includes(id);
    const common = { columns: [{ name, metric }], label, kind };
    return [
      { ...common, effect: `counted as ${found.worstValue}`, cases: cases.filter(isWorst) },
      { ...common, effect: 'left out', cases: cases.filter((id) => !isWorst(id)) },
    ].filter((one) => one.cases.length > 0);
  });
}

function groupOdd(all: readonly OddValues[]): OddValues[] {
  const groups = new Map<string, OddValues>();
  for (const one of all) {
    const key = JSON.stringify([one.label, one.kind, one.effect, one.cases]);
    const group = groups.get(key);
    groups.set(key, group ? { ...group, columns: [...group.columns, ...one.columns] } : one);
  }
  return [...groups.values()];
}

const metricsOf = ({ columns }: OddValues) => columns.map(({ metric }) => metric);

const be = ({ columns }: OddValues) => (columns.length === 1 ? 'is' : 'are');

function oddNote(note: OddValues): SummaryNote {
  const { columns, label, kind, effect, cases } = note;
  const [{ name }] = columns;
  const what =
    columns.length === 1 ? name : `${listNames(metricsOf(note))}${label === null ? '' : ` of ${label}`}`;
  return { text: `${what}: ${cases.length} ${kind}, ${effect}`, cases };
}

function tableLine(column: string, found: ColumnSummary, better: Better | undefined): string[] {
  const { n, mean, ci95, std, median, percentiles, min, max } = found;
  const digits = decimalsFor([min, max]);
  const show = (value: number | null) => value?.toFixed(digits) ?? '-';
  const range = (low?: number, high?: number) =>
    low === undefined || high === undefined ? '-' : `${low.toFixed(digits)} to ${high.toFixed(digits)}`;
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
    worstCase(found, better) ?? '-',
  ];
}

/** The case with the worst value; null if neither direction is better. */
export function worstCase(
  found: Pick<ColumnSummary, 'infinite' | 'minCase' | 'maxCase'>,
  better: Better | null | undefined,
): string | null {
  if (better === 'higher') return found.minCase;
  return better === 'lower' ? (found.infinite[0] ?? found.maxCase) : null;
}
