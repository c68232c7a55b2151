import type { Case } from '../case.js';

/** A number as the metric files have it: nothing where it is not defined, `inf` and `-inf`, else all its digits. */
export function cell(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  return String(value);
}

/** The cases' metrics, in dataset order. */
export function inOrder(rows: ReadonlyMap<string, Case['metrics']>, order: readonly string[]) {
  return order.flatMap((id) => {
    const metrics = rows.get(id);
    return metrics ? [{ case: id, metrics }] : [];
  });
}

/** The columns of several rows: each once, in the order in which they first appear. */
export function columnsOf(rows: Iterable<Case['metrics']>): string[] {
  const columns = new Set<string>();
  for (const metrics of rows) for (const column of Object.keys(metrics)) columns.add(column);
  return [...columns];
}
