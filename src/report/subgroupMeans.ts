import { mean } from 'd3-array';
import { type Column, type MetricsTable, tabulate } from '../metrics/columns.js';
import { type Matrix, matrixText } from '../metrics/labelMatrix.js';
import { titleWithUnit } from '../metrics/metric.js';
import { labelOf } from './pageData.js';
import { metricsRows, type ReportCase } from './read.js';
import { type Subgrouping, sortedGroups } from './subgroups.js';

/** A subgroup and the indices of its cases. */
export type Members = readonly [group: string, indices: readonly number[]];

/** The subgroups that cases belong to, and `unknown` for those of unknown subgroups. */
export function membersOf({ of }: Subgrouping, { rows }: MetricsTable): Members[] {
  const groups = rows.map(({ case: id }) => of.get(id));
  const indicesOf = (group: string | undefined) => groups.flatMap((one, i) => (one === group ? [i] : []));
  const present = sortedGroups(groups.filter((group) => group !== undefined));
  const unknown = indicesOf(undefined);
  return [
    ...present.map((group) => [group, indicesOf(group)] as const),
    ...(unknown.length > 0 ? [['unknown', unknown] as const] : []),
  ];
}

/** Whether any case has a subgroup. */
export const hasMembers = ({ of }: Subgrouping, { rows }: MetricsTable) =>
  rows.some(({ case: id }) => of.get(id) !== undefined);

/** The mean of the finite values of a column; undefined if there are none. */
export const meanOf = (table: MetricsTable, column: Column, indices: readonly number[]) =>
  mean(finiteValues(table, column, indices));

export function finiteValues({ rows }: MetricsTable, { name }: Column, indices: readonly number[]): number[] {
  return indices.map((i) => rows[i].values[name]).filter(Number.isFinite);
}

/** The columns of the first metric that has a better end, or of the first one. */
export function mainColumns({ columns }: MetricsTable): Column[] {
  const main = columns.find(({ metric }) => metric.better) ?? columns[0];
  return columns.filter(({ metric }) => metric.name === main?.metric.name);
}

/** The title of the means of the main metric by subgroup. */
export const meansTitle = ({ name }: Subgrouping, [column]: readonly Column[]) =>
  `Mean ${titleWithUnit(column.metric)} by ${name}, and the number of cases`;

/** The heads of columns of subgroups. */
export const memberHeads = (members: readonly Members[]) =>
  members.map(([group, indices]) => `${group} (${indices.length})`);

/** The means of the main metric by subgroup, as text: a line per label, a column per subgroup. */
export function subgroupsText(
  grouping: Subgrouping,
  cases: readonly ReportCase[],
  width = Number.POSITIVE_INFINITY,
): string {
  const table = tabulate(metricsRows(cases));
  const members = membersOf(grouping, table);
  const columns = mainColumns(table);
  if (columns.length === 0) return `${grouping.name}: no case has metrics.`;
  if (!hasMembers(grouping, table)) return `No case has a value of ${grouping.name}.`;
  const matrix: Matrix = {
    what: '',
    heads: memberHeads(members),
    rows: columns.map((column) => ({
      name: labelOf(column) || column.name,
      values: members.map(([, indices]) => meanOf(table, column, indices) ?? null),
    })),
  };
  return `${meansTitle(grouping, columns)}:\n${matrixText(matrix, width)}`;
}
