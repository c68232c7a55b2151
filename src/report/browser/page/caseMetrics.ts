import type { PageCase, PageColumn } from '../../browserData.js';
import { make, scrollBox } from '../dom.js';
import { valueCell } from './valueCell.js';

/** The metrics of a case: a row per label, a column per metric. */
export function caseMetrics(item: PageCase, columns: readonly PageColumn[]): HTMLElement {
  if (columns.length === 0) return make('p', { class: 'note' }, 'No metrics were computed for this case.');
  const labels = [...new Set(columns.map(({ label }) => label))];
  const metrics = new Map(columns.map(({ metric, title }) => [metric, title]));
  const cellOf = (metric: string, label: string) => {
    const index = columns.findIndex((column) => column.metric === metric && column.label === label);
    return index < 0 ? make('td', {}) : valueCell(item, index, columns[index]);
  };
  const rows = labels.map((label) => {
    const cells = [...metrics.keys()].map((metric) => cellOf(metric, label));
    return make('tr', {}, make('th', { scope: 'row' }, label || '–'), ...cells);
  });
  const titles = ['Label', ...metrics.values()].map((title) => make('th', { scope: 'col' }, title));
  const head = make('thead', {}, make('tr', {}, ...titles));
  const table = make('table', { class: 'numbers' }, head, make('tbody', {}, ...rows));
  return scrollBox('Metrics of the case', table);
}
