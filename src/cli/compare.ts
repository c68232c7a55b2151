import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { stringify } from 'csv-stringify/sync';
import { OptionError, unknownName } from '../errors.js';
import { readFault } from '../formats/aside.js';
import { writeFileAside } from '../formats/files.js';
import { compareRuns, comparisonTable } from '../metrics/compare.js';
import { readMetrics } from '../metrics/readMetrics.js';
import type { MetricsRow } from '../metrics/summary.js';
import { cell } from '../sinks/rows.js';
import { commaList, positive } from './args.js';

interface CompareFlags {
  readonly metrics?: readonly string[];
  readonly movers: number;
  readonly output?: string;
  readonly json?: boolean;
}

/** `voxstream compare`: what changed between two runs, case by case. */
export function addCompareCommand(program: Command): void {
  program
    .command('compare')
    .summary('compare the metrics of two runs, case by case')
    .description(
      'Compares two metrics.csv files over the cases that both have: means, paired differences with a 95 % bootstrap ' +
        'interval, the Wilcoxon signed-rank test, and the cases that got worse most.',
    )
    .argument('<a>', 'metrics.csv, or the folder of a run; what B is compared with')
    .argument('<b>', 'metrics.csv, or the folder of a run')
    .option('--metrics <list>', 'only these columns: dice takes all dice_…, dice_spleen only that', commaList)
    .option('--movers <n>', 'how many of the cases that got worse most to name', positive, 5)
    .option('-o, --output <file>', 'write the paired values to a CSV file: case, metric, a, b, difference')
    .option('--json', 'print the comparison as JSON')
    .action(async (a: string, b: string, flags: CompareFlags) => {
      const [rowsA, rowsB] = await Promise.all([readRows(a, flags), readRows(b, flags)]);
      const comparison = compareRuns(rowsA, rowsB, flags);
      if (comparison.cases === 0) {
        throw new OptionError(`${a} and ${b} have no case in common. Give two runs over the same dataset.`);
      }
      if (flags.output) await writeFileAside(flags.output, pairedCsv(rowsA, rowsB));
      const text = flags.json
        ? JSON.stringify(comparison, jsonNumber, 2)
        : `A: ${a}\nB: ${b}\n${comparisonTable(comparison)}`;
      process.stdout.write(`${text}\n`);
    });
}

async function readRows(path: string, { metrics }: CompareFlags): Promise<MetricsRow[]> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const file = isFolder ? join(path, 'metrics.csv') : path;
  const text = await readFile(file, 'utf8').catch((error) => {
    throw readFault(file, error);
  });
  const rows = readMetrics(text, file);
  if (!metrics) return rows;
  const belongs = (column: string, name: string) => column === name || column.startsWith(`${name}_`);
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row.metrics)))];
  const unknown = metrics.find((name) => !columns.some((column) => belongs(column, name)));
  if (unknown) throw new OptionError(`--metrics: ${unknownName(`column in ${file} for`, unknown, columns)}`);
  const wanted = (column: string) => metrics.some((name) => belongs(column, name));
  return rows.map((row) => ({
    case: row.case,
    metrics: Object.fromEntries(Object.entries(row.metrics).filter(([column]) => wanted(column))),
  }));
}

/** JSON has no NaN and no infinity; they are written as texts. */
function jsonNumber(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? cell(value) || 'nan' : value;
}

/** The values of the cases and columns that both runs have, one line each. */
function pairedCsv(a: readonly MetricsRow[], b: readonly MetricsRow[]): string {
  const inB = new Map(b.map((row) => [row.case, row.metrics]));
  const lines = a.flatMap((row) => {
    const other = inB.get(row.case) ?? {};
    const shared = Object.keys(row.metrics).filter((column) => column in other);
    return shared.map((column) => {
      const [from, to] = [row.metrics[column], other[column]];
      return [row.case, column, cell(from), cell(to), cell(to - from)];
    });
  });
  return stringify([['case', 'metric', 'a', 'b', 'difference'], ...lines]);
}
