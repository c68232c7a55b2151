import { appendFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { stringify } from 'csv-stringify/sync';
import { z } from 'zod';
import type { Case } from '../case.js';
import { writeFault } from '../formats/aside.js';
import { writeFileAside } from '../formats/files.js';
import { type Sink, sink } from './define.js';
import { cell, columnsOf, inOrder } from './rows.js';

export const metricsCsvSink = sink({
  name: 'metricsCsv',
  summary: "Writes each case's metrics as a row of a CSV file.",
  options: {
    path: z.string().min(1).default('metrics.csv').describe("The file, relative to the run's folder"),
  },
  example: { path: 'metrics.csv' },
  open: ({ path }, { output }) => openMetricsCsv(resolve(output, path)),
});

/**
 * Rows are appended whole as cases end, so that a crash loses nothing that was finished. A column that first appears
 * with a later case makes the file anew. At the end the rows are put in dataset order.
 */
async function openMetricsCsv(file: string): Promise<Sink> {
  const rows = new Map<string, Case['metrics']>();
  let columns: string[] = [];
  /** True when the file is not what `rows` are, but for a row at its end. */
  let stale = false;
  const row = (id: string, metrics: Case['metrics']) => [
    id,
    ...columns.map((column) => cell(metrics[column])),
  ];
  const rewrite = async (order: Iterable<string>) => {
    columns = columnsOf(rows.values());
    const body = inOrder(rows, [...order]).map(({ case: id, metrics }) => row(id, metrics));
    stale = true;
    await writeFileAside(file, stringify([['case', ...columns], ...body]));
    stale = false;
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
        if (stale || Object.keys(metrics).some((column) => !columns.includes(column)))
          return rewrite(rows.keys());
        await appendFile(file, stringify([row(id, metrics)]), { flush: true }).catch((error) => {
          // A part of the row may be there.
          stale = true;
          rows.delete(id);
          throw writeFault(file, error);
        });
      }),
    restore({ id, metrics }) {
      rows.set(id, metrics);
      stale = true;
      // All that are restored at once are written at once; where that fails, the first case after them tries again.
      next(async () => (stale ? rewrite(rows.keys()) : undefined)).catch(() => {});
    },
    close: (order) => next(() => rewrite(order)),
  };
}
