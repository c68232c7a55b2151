import { type Column, type MetricsTable, tabulate } from '../../metrics/columns.js';
import { titleWithUnit } from '../../metrics/metric.js';
import type { PageData } from '../browserData.js';
import { distributionChart } from '../charts/distribution.js';
import { type Html, html, nothing, raw, tableHead, tableRow } from '../html.js';
import { labelOf } from '../pageData.js';
import { metricsRows, type ReportData } from '../read.js';
import { mostRows, scrollBox } from '../scrollBox.js';
import {
  finiteValues,
  hasMembers,
  type Members,
  mainColumns,
  meanOf,
  meansTitle,
  memberHeads,
  membersOf,
} from '../subgroupMeans.js';
import type { Subgrouping } from '../subgroups.js';
import { showNumber } from '../text.js';
import { card, type NamedChart } from './plots.js';

/**
 * With more points in the charts of a grouping, only those beyond the whiskers are drawn, and with more rows
 * in all charts, not every column has one, so that the page stays small.
 */
const most = { points: 6000, rows: 400 };

/** The values of each subgroup: a table of means, and a chart per column. Nothing without subgroups. */
export function subgroupsSection({ cases, subgroups = [] }: ReportData, page: PageData): Html {
  const table = tabulate(metricsRows(cases));
  if (subgroups.length === 0 || table.columns.length === 0) return nothing;
  return html`${subgroups.map((grouping) => groupingParts(grouping, table, page, most.rows / subgroups.length))}`;
}

function groupingParts(
  grouping: Subgrouping,
  table: MetricsTable,
  { columns }: PageData,
  mostRowsOfCharts: number,
): Html {
  const members = membersOf(grouping, table);
  if (!hasMembers(grouping, table)) {
    return html`<h3>By ${grouping.name}</h3><p class="note">No case of this report has a value of ${grouping.name}.</p>`;
  }
  const decimals = new Map(columns.map(({ name, decimals: digits }) => [name, digits]));
  const show = (column: Column, indices: readonly number[]) =>
    showNumber(meanOf(table, column, indices), decimals.get(column.name)!);
  const main = mainColumns(table);
  const isMain = (column: Column) => Number(main.includes(column));
  const drawn = table.columns
    .toSorted((a, b) => isMain(b) - isMain(a))
    .slice(0, Math.max(1, Math.floor(mostRowsOfCharts / members.length)));
  const points = drawn.length * table.rows.length > most.points ? 0 : undefined;
  const charts = drawn.map((column): NamedChart => {
    const title = [titleWithUnit(column.metric), labelOf(column)].filter(Boolean).join(', ');
    const rows = members.map(([group, indices]) => ({
      name: group,
      points: indices.map((i) => ({ value: table.rows[i].values[column.name] ?? Number.NaN, case: i })),
      notes: [`n = ${finiteValues(table, column, indices).length}`, `mean ${show(column, indices)}`],
    }));
    const name = `by-${grouping.name}-${column.name}`;
    return [title, raw(distributionChart(name, title, rows, column.metric.range, points))];
  });
  const left = table.columns.length - drawn.length;
  const note = left > 0 ? `${left} further columns have no chart.` : undefined;
  return html`${meansTable(grouping, members, table, show)}
<div class="plots">${[card(`by-${grouping.name}`, `Distribution by ${grouping.name}`, 'Column', charts, note)]}</div>`;
}

/** The means of the main metric: a row per label. */
function meansTable(
  grouping: Subgrouping,
  members: readonly Members[],
  table: MetricsTable,
  show: (column: Column, indices: readonly number[]) => string,
): Html {
  const columns = mainColumns(table);
  const rows = columns.map((column) =>
    tableRow([labelOf(column) || '–', ...members.map(([, indices]) => show(column, indices))]),
  );
  const caption = meansTitle(grouping, columns);
  const head = tableHead(['label', ...memberHeads(members)]);
  const content = html`<table class="numbers matrix"><caption>${caption}</caption>${head}<tbody>${rows}</tbody></table>`;
  return scrollBox(caption, content, rows.length > mostRows);
}
