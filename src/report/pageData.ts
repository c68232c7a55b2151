import { max } from 'd3-array';
import { type Column, type MetricsTable, tabulate } from '../metrics/columns.js';
import { titleWithUnit } from '../metrics/metric.js';
import type { PageColumn, PageData, PageNumber, PagePictures } from './browserData.js';
import type { CaseNote } from './caseNote.js';
import { caseFolder, casesFolder, metricsRows, type ReportData } from './read.js';
import { decimalsFor } from './text.js';

/** Stands for a label in columns that hold the mean over labels. */
export const meanOverLabels = 'mean over labels';

/** The label of a column; empty for columns of the case as a whole. */
export function labelOf({ label, metric }: Pick<Column, 'label' | 'metric'>): string {
  return label ?? (metric.mean ? meanOverLabels : '');
}

/** The data of a report's page. */
export function pageData({ cases }: ReportData): PageData {
  const table = tabulate(metricsRows(cases));
  const columns = columnsOf(table);
  const labels = [...new Set(columns.map(({ label }) => label))].filter((label) => label !== '');
  const isMean = (label: string) => label === meanOverLabels;
  return {
    columns,
    labels: [...labels.filter(isMean), ...labels.filter((label) => !isMean(label))],
    cases: cases.map(({ id, timings, note, unpictured }, i) => ({
      id,
      values: columns.map(({ name }) => pageNumber(table.rows[i].values[name])),
      seconds: Object.values(timings).reduce((sum, value) => sum + value, 0),
      pictures: note ? picturesOf(id, note) : null,
      unpictured: unpictured ?? null,
    })),
  };
}

function columnsOf({ columns, rows }: MetricsTable): PageColumn[] {
  // All labels of a metric have the same decimals: those that suit its largest value.
  const largest = new Map<string, number>();
  for (const { name, metric } of columns) {
    const sizes = rows.map(({ values }) => Math.abs(values[name])).filter(Number.isFinite);
    largest.set(metric.name, max([largest.get(metric.name) ?? 0, ...sizes])!);
  }
  return columns.map((column) => ({
    name: column.name,
    metric: column.metric.name,
    title: titleWithUnit(column.metric),
    label: labelOf(column),
    decimals: decimalsFor(largest.get(column.metric.name)!),
    better: column.metric.better ?? null,
  }));
}

function pageNumber(value: number | undefined): PageNumber {
  if (value === undefined || Number.isNaN(value)) return null;
  // More digits than a float32 holds are noise, and make the page larger.
  if (Number.isFinite(value)) return Number(value.toPrecision(7));
  return value > 0 ? 'inf' : '-inf';
}

function picturesOf(id: string, note: CaseNote): PagePictures {
  const { planes, grey, masks, window, image } = note;
  const folder = `${casesFolder}/${encodeURIComponent(caseFolder(id))}`;
  return { folder, planes, grey, masks, window, volumes: image !== null || masks.length > 0 };
}
