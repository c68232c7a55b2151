import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, writeAside } from '../../formats/aside.js';
import { floatText } from '../language/values.js';
import type { CaseFiles, MetricsReport } from '../targets/evaluator.js';
import { type Measured, mean32 } from './measure.js';

/** The results of a metric. */
export interface MetricResult {
  readonly name: string;
  readonly value: number;
  /** One per case. */
  readonly cases: readonly Measured[];
}

/** The names of a report's rows: the cases' files, or numbers. */
export function rowNames(report: MetricsReport, cases: readonly CaseFiles[]): string[] {
  return cases.map((files, i) => {
    const file = report.source === undefined ? undefined : files[report.source];
    return typeof file === 'string' ? file : (file?.[0] ?? String(i));
  });
}

/**
 * Writes the tables of `MetricsSaver`: metrics.csv, and NAME_raw.csv and NAME_summary.csv for each detail.
 */
export async function writeReport(
  report: MetricsReport,
  results: readonly MetricResult[],
  rows: readonly string[],
): Promise<string[]> {
  const { folder, delimiter } = report;
  await makeFolder(folder);
  const chosen = results.filter(({ name }) => report.metrics.includes('*') || report.metrics.includes(name));
  const tables: [name: string, lines: string[]][] = [];
  if (chosen.length > 0) {
    tables.push(['metrics.csv', chosen.map(({ name, value }) => [name, floatText(value)].join(delimiter))]);
  }
  for (const { name, cases } of results.filter((one) => isDetailed(report, one))) {
    const values = cases.map(({ values }) => [...values, nanMean(values)]);
    const classes = [...(cases[0]?.values ?? []).map((_, i) => `class${i}`), 'mean'];
    tables.push([
      `${name}_raw.csv`,
      [
        ['filename', ...classes].join(delimiter),
        ...values.map((row, i) => [rows[i], ...row.map(float32Text)].join(delimiter)),
      ],
    ]);
    const ops = report.summary.includes('*') ? Object.keys(operations) : report.summary;
    if (ops.length === 0) continue;
    tables.push([
      `${name}_summary.csv`,
      [
        ['class', ...ops].join(delimiter),
        ...classes.map((label, c) =>
          [
            label,
            ...ops.map((op) =>
              summarize(
                op,
                values.map((row) => row[c]),
              ),
            ),
          ].join(delimiter),
        ),
      ],
    ]);
  }
  const files = tables.map(([name]) => join(folder, name));
  for (const [i, [, lines]] of tables.entries()) {
    await writeAside(files[i], (temporary) =>
      writeFile(temporary, lines.map((line) => `${line}\n`).join(''), { flush: true }),
    );
  }
  return files;
}

function isDetailed({ details }: MetricsReport, { name, cases }: MetricResult): boolean {
  return (details.includes('*') || details.includes(name)) && (cases[0]?.values.length ?? 0) > 0;
}

function nanMean(values: readonly number[]): number {
  return mean32(values.filter((value) => !Number.isNaN(value))) ?? Number.NaN;
}

/** The operations of `summary_ops`, on values without NaN. */
const operations: Readonly<Record<string, (sorted: readonly number[], all: readonly number[]) => number>> = {
  mean: (sorted) => mean32(sorted) ?? Number.NaN,
  median: (sorted) => percentile(sorted, 50),
  max: (sorted) => sorted.at(-1) ?? Number.NaN,
  min: (sorted) => sorted[0] ?? Number.NaN,
  '90percentile': (sorted) => percentile(sorted, 90),
  std: deviation,
  notnans: (sorted) => sorted.length,
};

function summarize(op: string, values: readonly number[]): string {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  const percent = /^(\d+)percentile$/.exec(op);
  const result = percent
    ? percentile(sorted, Number(percent[1]))
    : (operations[op]?.(sorted, values) ?? Number.NaN);
  return Number.isNaN(result) ? 'nan' : result.toFixed(4);
}

function percentile(sorted: readonly number[], percent: number): number {
  if (sorted.length === 0) return Number.NaN;
  const at = (sorted.length - 1) * (percent / 100);
  const low = sorted[Math.floor(at)];
  const high = sorted[Math.ceil(at)];
  return low + (high - low) * (at - Math.floor(at));
}

function deviation(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

/** The shortest text that gives the same float32, as numpy writes one. */
export function float32Text(value: number): string {
  if (!Number.isFinite(value)) return floatText(value);
  for (let digits = 1; digits < 10; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return floatText(short);
  }
  return floatText(value);
}
