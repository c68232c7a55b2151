import { mean } from 'd3-array';
import { type Column, type MetricsTable, tabulate } from '../../metrics/columns.js';
import { titleWithUnit } from '../../metrics/metric.js';
import type { PageData } from '../browserData.js';
import { distributionChart } from '../charts/distribution.js';
import { type Html, html, nothing, raw, tableHead, tableRow } from '../html.js';
import { labelOf } from '../pageData.js';
import { metricsRows, type ReportData } from '../read.js';
import { mostRows, scrollBox } from '../scrollBox.js';
import { type Subgrouping, sortedGroups } from '../subgroups.js';
import { showNumber } from '../text.js';
import { card, type NamedChart } from './plots.js';

/**
 * With more points in all charts, only those beyond the whiskers are drawn, and with more rows, not every
 * column has a chart, so that the page stays small.
 */
const most = { points: 6000, rows: 400 };

/** The values of each subgroup: a table of means, and a chart per column. Nothing without subgroups. */
export function subgroupsSection({ cases, subgroups = [] }: ReportData, page: PageData): Html {
  const table = tabulate(metricsRows(cases));
  if (subgroups.length === 0 || table.columns.length === 0) return nothing;
  return html`${subgroups.map((grouping) => groupingParts(grouping, table, page))}`;
}

/** A subgroup and the indices of its cases. */
type Members = readonly [group: string, indices: readonly number[]];

function groupingParts(grouping: Subgrouping, table: MetricsTable, { columns }: PageData): Html {
  const ids = table.rows.map(({ case: id }) => id);
  const indicesOf = (group: string | undefined) =>
    ids.flatMap((id, i) => (grouping.of.get(id) === group ? [i] : []));
  const present = sortedGroups(ids.flatMap((id) => grouping.of.get(id) ?? []));
  const unknown = indicesOf(undefined);
  const members: Members[] = [
    ...present.map((group) => [group, indicesOf(group)] as const),
    ...(unknown.length > 0 ? [['unknown', unknown] as const] : []),
  ];
  if (present.length === 0) {
    return html`<h3>By ${grouping.name}</h3><p class="note">No case of this report has a value of ${grouping.name}.</p>`;
  }
  const decimals = new Map(columns.map(({ name, decimals: digits }) => [name, digits]));
  const show = (column: Column, indices: readonly number[]) =>
    showNumber(mean(finiteValues(table, column, indices)), decimals.get(column.name)!);
  const { metric: main } = mainColumn(table);
  const isMain = ({ metric }: Column) => Number(metric.name === main.name);
  const drawn = table.columns
    .toSorted((a, b) => isMain(b) - isMain(a))
    .slice(0, Math.max(1, Math.floor(most.rows / members.length)));
  const points = drawn.length * ids.length > most.points ? 0 : undefined;
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
  return html`${meansTable(grouping.name, members, table, show)}
<div class="plots">${[card(`by-${grouping.name}`, `Distribution by ${grouping.name}`, 'Column', charts, note)]}</div>`;
}

function finiteValues({ rows }: MetricsTable, { name }: Column, indices: readonly number[]): number[] {
  return indices.map((i) => rows[i].values[name]).filter(Number.isFinite);
}

/** The first column of a metric that has a better end, or the first one. */
const mainColumn = ({ columns }: MetricsTable) => columns.find(({ metric }) => metric.better) ?? columns[0];

/** The means of the main metric: a row per label. */
function meansTable(
  by: string,
  members: readonly Members[],
  table: MetricsTable,
  show: (column: Column, indices: readonly number[]) => string,
): Html {
  const { metric } = mainColumn(table);
  const ofMetric = table.columns.filter((column) => column.metric.name === metric.name);
  const rows = ofMetric.map((column) =>
    tableRow([labelOf(column) || '–', ...members.map(([, indices]) => show(column, indices))]),
  );
  const heads = members.map(([group, indices]) => `${group} (${indices.length})`);
  const caption = `Mean ${titleWithUnit(metric)} by ${by}, and the number of cases`;
  const head = tableHead(['label', ...heads]);
  const content = html`<table class="numbers matrix"><caption>${caption}</caption>${head}<tbody>${rows}</tbody></table>`;
  return scrollBox(caption, content, rows.length > mostRows);
}
