/**
 * A number as metrics files hold it: empty if undefined (NaN), `inf` or `-inf`, otherwise with all its
 * digits.
 */
export function cell(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  return String(value);
}

/** The rows of the ids in `order`. */
export function inOrder<Row>(rows: ReadonlyMap<string, Row>, order: Iterable<string>): [string, Row][] {
  return [...order].flatMap((id): [string, Row][] => {
    const row = rows.get(id);
    return row === undefined ? [] : [[id, row]];
  });
}

/** The keys of several rows: each once, in the order in which they first appear. */
export function columnsOf(rows: Iterable<Readonly<Record<string, number>>>): string[] {
  const columns = new Set<string>();
  for (const row of rows) for (const column of Object.keys(row)) columns.add(column);
  return [...columns];
}
