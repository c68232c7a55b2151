import type { Command } from 'commander';
import { stringify } from 'csv-stringify/sync';
import { checkPlace } from '../address.js';
import { OptionError, unknownName } from '../errors.js';
import { csvText } from '../harmless.js';
import { columnName, nameValues, tabulate } from '../metrics/columns.js';
import { type Comparison, compareRuns, comparisonTable } from '../metrics/compare.js';
import type { MetricsRow } from '../metrics/metric.js';
import { columnReader } from '../metrics/parseColumn.js';
import { type ComparedRun, writeComparison } from '../pipeline/compareReport.js';
import { loadRegistry } from '../pipeline/extensions.js';
import { describedColumns, metricsFile, readMetricsFile } from '../pipeline/readMetrics.js';
import { metricFinder } from '../pipeline/registry.js';
import { type RunFolder, withRunFolders } from '../pipeline/runFolder.js';
import { createRuntime } from '../runtime/runtime.js';
import { cell } from '../sinks/rows.js';
import { writePlace } from '../storage/places.js';
import { commaList, positive } from './args.js';
import { print, printError } from './print.js';
import { sharedOption } from './sharedOptions.js';

interface CompareFlags {
  readonly metrics?: readonly string[];
  readonly movers: number;
  readonly output?: string;
  readonly json?: boolean;
  readonly report?: true | string;
  readonly use?: readonly string[];
}

/** Adds `voxstream compare`, which shows what changed between two runs, case by case. */
export function addCompareCommand(program: Command): void {
  program
    .command('compare')
    .summary('compare the metrics of two runs case by case')
    .description(
      'Compares two metrics.csv files over the cases that both contain: means, paired differences with ' +
        'a 95 % bootstrap interval, the Wilcoxon signed-rank test, and the cases that got worse the most.',
    )
    .argument('<a>', 'the baseline: a metrics.csv file or the folder of a run')
    .argument('<b>', 'a metrics.csv file or the folder of a run')
    .option(
      '--metrics <list>',
      'only these columns: dice selects all dice_… columns, dice_spleen only that one',
      commaList,
    )
    .option('--movers <n>', 'number of cases to list that got worse the most', positive, 5)
    .option('-o, --output <file>', 'write the paired values to a CSV file: case, metric, a, b, difference')
    .option(
      '--report [dir]',
      'write a page with paired plots, and pictures of the cases that got worse the most, to this folder. ' +
        'Default: comparison',
    )
    .option('--json', 'print the comparison as JSON')
    .addOption(sharedOption('use'))
    .action(async (a: string, b: string, flags: CompareFlags) => {
      await withRunFolders([a, b].map(checkPlace), (runs) => compareFolders(runs, flags));
    });
}

async function compareFolders([a, b]: readonly RunFolder[], flags: CompareFlags): Promise<void> {
  const [rowsA, rowsB] = await readBoth([a.path, b.path], flags);
  const comparison = compareRuns(rowsA, rowsB, flags);
  if (comparison.cases === 0) {
    throw new OptionError(
      `${a.place} and ${b.place} have no cases in common. Give two runs over the same dataset.`,
    );
  }
  if (flags.output) await writePlace(checkPlace(flags.output), Buffer.from(pairedCsv(rowsA, rowsB)));
  const text = flags.json
    ? JSON.stringify(comparison, jsonNumber, 2)
    : `A: ${a.place}\nB: ${b.place}\n${comparisonTable(comparison)}`;
  print(`${text}\n`);
  if (!flags.report) return;
  const runs = [
    { ...a, rows: rowsA },
    { ...b, rows: rowsB },
  ] as const;
  await writeReport(runs, comparison, flags);
}

async function writeReport(
  runs: readonly [ComparedRun, ComparedRun],
  comparison: Comparison,
  { report, movers }: CompareFlags,
): Promise<void> {
  const place = checkPlace(typeof report === 'string' ? report : 'comparison');
  const runtime = createRuntime({ device: 'cpu' });
  const written = withRunFolders([place], async ([{ path, origin, send }]) => {
    const made = await writeComparison(runs, comparison, { folder: path, movers, runtime });
    await send();
    return { ...made, page: origin(made.page) };
  });
  const { page, drawn, unpictured } = await written.finally(() => runtime.close());
  // The comparison itself may be JSON.
  printError(`${page}: ${comparison.cases} case(s), pictures drawn of ${drawn}\n`);
  for (const [id, reason] of unpictured) printError(`  ${id} has no pictures: ${reason}\n`);
}

/** Reads the metrics of both runs. A description of a column in one run is used for the other run, too. */
async function readBoth(
  paths: readonly [string, string],
  { metrics: wanted, use = [] }: CompareFlags,
): Promise<MetricsRow[][]> {
  const files = await Promise.all(paths.map(metricsFile));
  const [inA, inB] = await Promise.all(files.map(describedColumns));
  const find = metricFinder(await loadRegistry(use));
  const readers = [
    columnReader(new Map([...inB, ...inA]), find),
    columnReader(new Map([...inA, ...inB]), find),
  ];
  const runs = await Promise.all(files.map((file, i) => readMetricsFile(file, readers[i])));
  return wanted ? runs.map((rows, i) => selectColumns(rows, wanted, files[i])) : runs;
}

/**
 * Keeps the columns with these names, and those whose names begin with one of them: `dice` keeps
 * `dice_spleen`.
 */
function selectColumns(rows: readonly MetricsRow[], wanted: readonly string[], file: string): MetricsRow[] {
  const names = tabulate(rows).columns.map(({ name }) => name);
  const belongs = (column: string, name: string) => column === name || column.startsWith(`${name}_`);
  const unknown = wanted.find((name) => !names.some((column) => belongs(column, name)));
  if (unknown) throw new OptionError(`--metrics: ${unknownName(`column in ${file} for`, unknown, names)}`);
  return rows.map((row) => ({
    case: row.case,
    metrics: row.metrics.filter((value) => wanted.some((name) => belongs(columnName(value), name))),
  }));
}

/** JSON has neither NaN nor infinity, so they are written as strings. */
function jsonNumber(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? cell(value) || 'nan' : value;
}

/** The values of the cases and columns that both runs contain, one line each. */
function pairedCsv(a: readonly MetricsRow[], b: readonly MetricsRow[]): string {
  const inB = new Map(b.map((row) => [row.case, nameValues(row.metrics)]));
  const lines = a.flatMap((row) => {
    const other = inB.get(row.case) ?? {};
    const shared = Object.entries(nameValues(row.metrics)).filter(([column]) => column in other);
    return shared.map(([column, from]) => {
      const to = other[column];
      return [csvText(row.case), csvText(column), cell(from), cell(to), cell(to - from)];
    });
  });
  return stringify([['case', 'metric', 'a', 'b', 'difference'], ...lines]);
}
