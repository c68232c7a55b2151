import { resolve } from 'node:path';
import { z } from 'zod';
import type { Case } from '../case.js';
import { writeFileAside } from '../formats/files.js';
import { summarize, type UndefinedAs } from '../metrics/summary.js';
import { type Sink, sink } from './define.js';
import { inOrder } from './rows.js';

export const summarySink = sink({
  name: 'summary',
  summary: 'Writes statistics of each metric over all cases, as JSON.',
  options: {
    path: z.string().min(1).default('summary.json').describe("The file, relative to the run's folder"),
    undefinedAs: z
      .enum(['leftOut', 'worst'])
      .default('leftOut')
      .describe('How undefined and infinite values count'),
  },
  example: { path: 'summary.json' },
  targets: ({ path }, output) => ({ ofRun: [resolve(output, path)] }),
  open: async ({ path, undefinedAs }, { output, seed }) =>
    openSummary(resolve(output, path), { undefinedAs, seed }),
});

function openSummary(file: string, options: { undefinedAs?: UndefinedAs; seed: number }): Sink {
  const rows = new Map<string, Case['metrics']>();
  const notes = new Map<string, readonly string[]>();
  const note = (subject: Case) => {
    rows.set(subject.id, subject.metrics);
    if (subject.notes) notes.set(subject.id, subject.notes);
  };
  return {
    write: async (subject) => note(subject),
    restore: note,
    async close(order) {
      const ended = inOrder(rows, order).map(([id, metrics]) => ({ case: id, metrics }));
      // What was assumed about the data of each case.
      const assumed = order.flatMap((id) => (notes.has(id) ? [[id, notes.get(id)]] : []));
      const summary = { ...summarize(ended, options), notes: Object.fromEntries(assumed) };
      await writeFileAside(file, `${JSON.stringify(summary, null, 2)}\n`);
    },
  };
}
