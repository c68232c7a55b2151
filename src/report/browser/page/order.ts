import type { PageCase, PageColumn } from '../../browserData.js';
import { numberOf } from './numbers.js';

/** What the table is sorted by: the index of a column, or one of the two others. */
export type SortKey = number | 'case' | 'seconds';

/** An order of the table. */
export interface Order {
  readonly by: SortKey;
  readonly down: boolean;
  /** Whether the button "Worst first" chose it. */
  readonly worst?: boolean;
}

/**
 * The cases in an order; in dataset order without one. Cases whose value is undefined come last, up or down.
 */
export function inOrder(cases: readonly PageCase[], order: Order | undefined): PageCase[] {
  if (!order) return cases.slice();
  const { by } = order;
  const sense = order.down ? -1 : 1;
  if (by === 'case') {
    const names = new Intl.Collator(undefined, { numeric: true });
    return cases.toSorted((a, b) => sense * names.compare(a.id, b.id));
  }
  const sortValue = (item: PageCase) => (by === 'seconds' ? item.seconds : numberOf(item.values[by]));
  return cases.toSorted((a, b) => {
    const [x, y] = [sortValue(a), sortValue(b)];
    if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y));
    return x === y ? 0 : sense * (x < y ? -1 : 1);
  });
}

/**
 * The order after a click on a head: numbers start with the worse end, names with A. A second click reverses
 * the order, and a third one ends it.
 */
export function orderAfterClick(
  order: Order | undefined,
  by: SortKey,
  columns: readonly PageColumn[],
): Order | undefined {
  const first = typeof by === 'number' ? columns[by].better === 'lower' : by === 'seconds';
  if (order?.by !== by || order.worst) return { by, down: first };
  return order.down === first ? { by, down: !first } : undefined;
}

/** The worst cases first, by the first of `shown` columns that has a better end; undefined where none has. */
export function worstFirst(columns: readonly PageColumn[], shown: readonly PageColumn[]): Order | undefined {
  const column = shown.find(({ better }) => better);
  return column && { by: columns.indexOf(column), down: column.better === 'lower', worst: true };
}
