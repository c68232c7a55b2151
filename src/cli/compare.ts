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
import { comparedCases } from '../report/comparison.js';
import { subgroupsText } from '../report/subgroupMeans.js';
import { type Subgrouping, sortedGroups } from '../report/subgroups.js';
import { createRuntime } from '../runtime/runtime.js';
import { cell } from '../sinks/rows.js';
import { writePlace } from '../storage/places.js';
import { commaList, positive } from './args.js';
import { addPageOptions, type PageFlags, serveIfAsked, subgroupsOf } from './pageOptions.js';
import { print, printError, printText } from './print.js';
import { sharedOption } from './sharedOptions.js';
import { columnsOf } from './terminal.js';

interface CompareFlags extends PageFlags {
  readonly metrics?: readonly string[];
  readonly movers: number;
  readonly output?: string;
  readonly json?: boolean;
  readonly full?: boolean;
  readonly report?: true | string;
  readonly use?: readonly string[];
}

/** Adds `voxstream compare`, which shows what changed between two runs, case by case. */
export function addCompareCommand(program: Command): void {
  const command = program
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
    .addOption(sharedOption('full'))
    .addOption(sharedOption('use'))
    .action(async (a: string, b: string, flags: CompareFlags) => {
      refuseWithoutReport(flags);
      const subgroups = await subgroupsOf(flags);
      await withRunFolders([a, b].map(checkPlace), (runs) => compareFolders(runs, subgroups, flags));
    });
  addPageOptions(command);
}

/** Refuses options that only a page takes, if none is written. */
function refuseWithoutReport({ report, ...flags }: CompareFlags): void {
  const given = (['notes', 'open', 'port'] as const).find((name) => flags[name] !== undefined);
  if (given && !report) throw new OptionError(`--${given} is for the page. Add --report.`);
}

/** The comparison of each subgroup. */
function jsonSubgroups(
  a: readonly MetricsRow[],
  b: readonly MetricsRow[],
  subgroups: readonly Subgrouping[],
): { readonly subgroups?: Readonly<Record<string, Readonly<Record<string, Comparison>>>> } {
  if (subgroups.length === 0) return {};
  const ofGroup = ({ of }: Subgrouping, group: string) => {
    const inside = (rows: readonly MetricsRow[]) => rows.filter((row) => of.get(row.case) === group);
    return compareRuns(inside(a), inside(b));
  };
  return {
    subgroups: Object.fromEntries(
      subgroups.map((one) => [
        one.name,
        Object.fromEntries(sortedGroups(one.of.values()).map((group) => [group, ofGroup(one, group)])),
      ]),
    ),
  };
}

async function compareFolders(
  [a, b]: readonly RunFolder[],
  subgroups: readonly Subgrouping[],
  flags: CompareFlags,
): Promise<void> {
  const [rowsA, rowsB] = await readBoth([a.path, b.path], flags);
  const comparison = compareRuns(rowsA, rowsB, flags);
  if (comparison.cases === 0) {
    throw new OptionError(
      `${a.place} and ${b.place} have no cases in common. Give two runs over the same dataset.`,
    );
  }
  if (flags.output) await writePlace(checkPlace(flags.output), Buffer.from(pairedCsv(rowsA, rowsB)));
  const width = columnsOf(process.stdout);
  if (flags.json) {
    const json = { ...comparison, ...jsonSubgroups(rowsA, rowsB, subgroups) };
    print(`${JSON.stringify(json, jsonNumber, 2)}\n`);
  } else {
    const texts = [
      `A: ${a.place}\nB: ${b.place}`,
      comparisonTable(comparison, width, flags.full === true),
      ...subgroups.map((one) => `\n${subgroupsText(one, comparedCases(rowsA, rowsB), width)}`),
    ];
    printText(`${texts.join('\n')}\n`);
  }
  if (!flags.report) return;
  const runs = [
    { ...a, rows: rowsA },
    { ...b, rows: rowsB },
  ] as const;
  await writeReport(runs, comparison, subgroups, flags);
}

async function writeReport(
  runs: readonly [ComparedRun, ComparedRun],
  comparison: Comparison,
  subgroups: readonly Subgrouping[],
  flags: CompareFlags,
): Promise<void> {
  const { report, movers, notes } = flags;
  const place = checkPlace(typeof report === 'string' ? report : 'comparison');
  const runtime = createRuntime({ device: 'cpu' });
  await withRunFolders([place], async ([{ path: folder, origin, send }]) => {
    const written = writeComparison(runs, comparison, {
      ...{ folder, movers, runtime, subgroups },
      ...(notes !== undefined && { notes }),
    });
    const { page, data, drawn, unpictured } = await written.finally(() => runtime.close());
    await send();
    // The comparison itself may be JSON.
    printError(`${origin(page)}: ${comparison.cases} case(s), pictures drawn of ${drawn}\n`);
    for (const [id, reason] of unpictured) printError(`  ${id} has no pictures: ${reason}\n`);
    if (data.notesFault) printError(`${data.notesFault}\n`);
    await serveIfAsked(folder, data, flags);
  });
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
