import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OptionError } from '../errors.js';
import { readFault } from '../formats/aside.js';
import type { Column } from '../metrics/columns.js';
import { readColumns } from '../metrics/describeColumns.js';
import type { MetricsRow } from '../metrics/metric.js';
import { type ColumnOf, columnReader } from '../metrics/parseColumn.js';
import { parseMetrics } from '../metrics/parseMetrics.js';
import { readRunRecord } from '../report/read.js';
import { createRegistry, metricFinder, type Registry } from './registry.js';

/**
 * The file with the metrics of a run, given the file or the run's folder.
 *
 * @throws OptionError for the folder of a run without metrics.
 */
export async function metricsFile(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) return path;
  const file = join(path, 'metrics.csv');
  if (existsSync(file) || !existsSync(join(path, 'run.json'))) return file;
  throw new OptionError(
    `${path} has no metrics.csv: that run measured nothing. Measure its segmentations: ` +
      `voxstream evaluate --pred ${path} --label REFERENCES`,
  );
}

/**
 * What the columns of a metrics file hold, as the run.json beside it describes them. Empty if there is none.
 */
export async function describedColumns(file: string): Promise<Map<string, Column>> {
  const run = await readRunRecord(dirname(file));
  return readColumns(run?.['columns']);
}

/** Reads a metrics file. `columnOf` says what its columns hold. */
export async function readMetricsFile(file: string, columnOf: ColumnOf): Promise<MetricsRow[]> {
  const text = await readFile(file, 'utf8').catch((error) => {
    throw readFault(file, error);
  });
  return parseMetrics(text, file, columnOf);
}

/**
 * Reads the metrics of a run, or a CSV of another tool with the cases in the first column. What a column
 * holds is taken from the run.json beside the file, otherwise from its name and the metrics of the registry.
 * Columns of unknown metrics keep their names and have no direction.
 *
 * @param path The CSV file, or the folder of a run.
 * @param registry Default: what comes with voxstream.
 * @throws DataError if the file cannot be read, or is not a table of numbers.
 */
export async function readMetrics(
  path: string,
  registry: Registry = createRegistry(),
): Promise<MetricsRow[]> {
  const file = await metricsFile(path);
  return readMetricsFile(file, columnReader(await describedColumns(file), metricFinder(registry)));
}
