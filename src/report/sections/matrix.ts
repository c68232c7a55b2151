import type { LabelMatrix } from '../../metrics/labelMatrix.js';
import { titleWithUnit } from '../../metrics/metric.js';
import { type Html, html, tableHead, tableRow } from '../html.js';
import { mostRows, scrollBox } from '../scrollBox.js';

/**
 * A matrix with a label in a row and a metric in a column, and below it all statistics, which a click opens.
 *
 * @param cell The text of a column.
 * @param all The table of all statistics.
 */
export function matrixOver(
  caption: string,
  { metrics, rows }: LabelMatrix,
  cell: (column: string) => string,
  all: Html,
): Html {
  const cells = rows.map(({ label, columns }) =>
    tableRow([label, ...columns.map((column) => (column === undefined ? '' : cell(column)))]),
  );
  const head = tableHead(['label', ...metrics.map(titleWithUnit)]);
  const table = html`<table class="numbers matrix"><caption>${caption}</caption>${head}<tbody>${cells}</tbody></table>`;
  const count = rows.flatMap(({ columns }) => columns.filter((column) => column !== undefined)).length;
  // The script fills the template when it is opened, so that the page stays fast.
  return html`${scrollBox(caption, table, rows.length > mostRows)}
<details><summary>All statistics of all ${count} columns</summary><template>${all}</template></details>`;
}
