import type { PageCase, PageColumn } from '../../browserData.js';
import { make } from '../dom.js';
import { show } from './numbers.js';

/** The metrics of a case: a row per label, a column per metric. */
export function caseMetrics(item: PageCase, columns: readonly PageColumn[]): HTMLElement {
  if (columns.length === 0) return make('p', { class: 'note' }, 'No metrics were computed for this case.');
  const labels = [...new Set(columns.map(({ label }) => label))];
  const metrics = new Map(columns.map(({ metric, title }) => [metric, title]));
  const cellOf = (metric: string, label: string) => {
    const index = columns.findIndex((column) => column.metric === metric && column.label === label);
    return make('td', {}, index < 0 ? '' : show(item.values[index], columns[index].decimals));
  };
  const rows = labels.map((label) => {
    const cells = [...metrics.keys()].map((metric) => cellOf(metric, label));
    return make('tr', {}, make('th', { scope: 'row' }, label || '–'), ...cells);
  });
  const titles = ['Label', ...metrics.values()].map((title) => make('th', { scope: 'col' }, title));
  const head = make('thead', {}, make('tr', {}, ...titles));
  const table = make('table', { class: 'numbers' }, head, make('tbody', {}, ...rows));
  return make('div', { class: 'scroll' }, table);
}
