import { z } from 'zod';
import type { Column } from './columns.js';
import { maskFacts } from './metric.js';

const facts = z.array(z.enum(maskFacts)).optional();

const columnDescription = z.object({
  /** The metric's name, e.g. `dice`. */
  metric: z.string(),
  /** Null for a value of all labels together. */
  label: z.string().nullable(),
  title: z.string(),
  unit: z.string().optional(),
  better: z.enum(['higher', 'lower']).optional(),
  /** JSON has no infinity: null is no limit. */
  range: z.tuple([z.number().nullable(), z.number().nullable()]),
  mean: z.boolean(),
  implies: z.object({ zero: facts, positive: facts, nan: facts, infinite: facts }).optional(),
});

/** What a column of a metrics file holds, as JSON. */
export type ColumnDescription = Readonly<z.infer<typeof columnDescription>>;

/** Describes columns for a file, by name. `readColumns` reads it back. */
export function describeColumns(columns: Iterable<Column>): Record<string, ColumnDescription> {
  return Object.fromEntries([...columns].map((column) => [column.name, describeColumn(column)]));
}

function describeColumn({ metric, label }: Column): ColumnDescription {
  const { name, range, implies, ...rest } = metric;
  const [low, high] = range.map((limit) => (Number.isFinite(limit) ? limit : null));
  // The arrays of facts are read-only here, and plain arrays in the schema.
  const copied = implies && (structuredClone(implies) as ColumnDescription['implies']);
  return { metric: name, label, ...rest, range: [low, high], ...(copied && { implies: copied }) };
}

/** Reads what `describeColumns` wrote. Entries that are damaged, or not there at all, are left out. */
export function readColumns(json: unknown): Map<string, Column> {
  const columns = new Map<string, Column>();
  if (typeof json !== 'object' || json === null) return columns;
  for (const [name, entry] of Object.entries(json)) {
    const { data } = columnDescription.safeParse(entry);
    if (!data) continue;
    const { metric, label, range, ...rest } = data;
    const [low, high] = range;
    const limits = [low ?? Number.NEGATIVE_INFINITY, high ?? Number.POSITIVE_INFINITY] as const;
    columns.set(name, { name, label, metric: { ...rest, name: metric, range: limits } });
  }
  return columns;
}
