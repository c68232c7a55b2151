import type { PageCase, PageColumn } from '../../browserData.js';
import { make } from '../dom.js';
import { show } from './numbers.js';

/** The cell with a value of a case. Outliers are marked. */
export function valueCell(item: PageCase, index: number, { decimals }: PageColumn): HTMLElement {
  const text = show(item.values[index], decimals);
  if (!item.outliers?.includes(index)) return make('td', {}, text);
  const mark = make('span', { role: 'img', 'aria-label': 'outlier', title: 'Outlier' }, '▴');
  return make('td', { class: 'outlier' }, mark, ` ${text}`);
}
