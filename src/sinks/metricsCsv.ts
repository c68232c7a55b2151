import { appendFile, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { stringify } from 'csv-stringify/sync';
import { z } from 'zod';
import { writeFault } from '../formats/aside.js';
import { writeFileAside } from '../formats/files.js';
import { csvText } from '../harmless.js';
import { Columns, type NamedValues } from '../metrics/columns.js';
import { type Sink, sink } from './define.js';
import { cell, columnsOf, inOrder } from './rows.js';

export const metricsCsvSink = sink({
  name: 'metricsCsv',
  summary: "Writes each case's metrics as a row of a CSV file.",
  options: {
    path: z.string().min(1).default('metrics.csv').describe("The file, relative to the run's folder"),
  },
  example: { path: 'metrics.csv' },
  targets: ({ path }, output) => ({ ofRun: [resolve(output, path)] }),
  open: ({ path }, { output }) => openMetricsCsv(resolve(output, path)),
});

/**
 * Rows are appended as cases end, so a crash loses no finished case. If a case brings a new column, the file
 * is written again. At the end, the rows are put in dataset order. A
 * run without a finished case leaves no file.
 */
async function openMetricsCsv(file: string): Promise<Sink> {
  const known = new Columns();
  const rows = new Map<string, NamedValues>();
  let columns: string[] = [];
  /** Whether the file may differ from `rows`. */
  let stale = false;
  const cells = (id: string, values: NamedValues) => [
    csvText(id),
    ...columns.map((column) => cell(values[column])),
  ];
  const rewrite = async (order: Iterable<string>) => {
    const ordered = inOrder(rows, order);
    // Also in dataset order at the end, so that the file does not depend on which case was finished first.
    columns = columnsOf(ordered.map(([, values]) => values));
    const body = ordered.map(([id, values]) => cells(id, values));
    stale = true;
    await writeFileAside(file, stringify([['case', ...columns.map(csvText)], ...body]));
    stale = false;
  };
  // The file changes once at a time, in the order of the calls.
  let last = rewrite([]);
  const next = (change: () => Promise<void>) => {
    last = last.catch(() => {}).then(change);
    return last;
  };
  await last;
  return {
    async write({ id, metrics }) {
      const values = known.add(metrics);
      await next(async () => {
        rows.set(id, values);
        if (stale || Object.keys(values).some((column) => !columns.includes(column)))
          return rewrite(rows.keys());
        await appendFile(file, stringify([cells(id, values)]), { flush: true }).catch((error) => {
          // The file may hold a part of the row.
          stale = true;
          rows.delete(id);
          throw writeFault(file, error);
        });
      });
    },
    restore({ id, metrics }) {
      rows.set(id, known.add(metrics));
      stale = true;
      // The first of these changes writes all restored rows. If it fails, the next case tries again.
      next(async () => (stale ? rewrite(rows.keys()) : undefined)).catch(() => {});
    },
    close: (order) => next(() => (rows.size > 0 ? rewrite(order) : rm(file, { force: true }))),
  };
}
