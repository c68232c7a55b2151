import { appendFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { stringify } from 'csv-stringify/sync';
import { z } from 'zod';
import type { Case } from '../case.js';
import { writeFault } from '../formats/aside.js';
import { writeFileAside } from '../formats/files.js';
import { defineSink, type Sink } from './define.js';
import { cell, columnsOf, inOrder } from './rows.js';

export interface MetricsCsvOptions {
  /** The file, relative to the run's folder. Default: `metrics.csv`. */
  readonly path?: string;
}

const definition = defineSink<MetricsCsvOptions>({
  name: 'metricsCsv',
  summary: "Writes each case's metrics as a row of a CSV file.",
  options: {
    path: z.string().min(1).default('metrics.csv').describe("The file, relative to the run's folder"),
  },
  example: { path: 'metrics.csv' },
  open: ({ path = 'metrics.csv' }, { output }) => openMetricsCsv(resolve(output, path)),
});

/**
 * Rows are appended whole as cases end, so that a crash loses nothing that was finished. A column that first appears
 * with a later case makes the file anew. At the end the rows are put in dataset order.
 */
async function openMetricsCsv(file: string): Promise<Sink> {
  const rows = new Map<string, Case['metrics']>();
  let columns: string[] = [];
  const row = (id: string, metrics: Case['metrics']) => [
    id,
    ...columns.map((column) => cell(metrics[column])),
  ];
  const rewrite = (order: Iterable<string>) => {
    columns = columnsOf(rows.values());
    const body = inOrder(rows, [...order]).map(({ case: id, metrics }) => row(id, metrics));
    return writeFileAside(file, stringify([['case', ...columns], ...body]));
  };
  // One change to the file at a time, in the order in which they are asked for.
  let last = rewrite([]);
  const next = (change: () => Promise<void>) => {
    last = last.catch(() => {}).then(change);
    return last;
  };
  await last;
  return {
    write: ({ id, metrics }) =>
      next(async () => {
        rows.set(id, metrics);
        if (Object.keys(metrics).some((column) => !columns.includes(column))) return rewrite(rows.keys());
        await appendFile(file, stringify([row(id, metrics)]), { flush: true }).catch((error) => {
          throw writeFault(file, error);
        });
      }),
    restore: ({ id, metrics }) => void rows.set(id, metrics),
    close: (order) => next(() => rewrite(order)),
  };
}

export { definition as metricsCsvDefinition };
