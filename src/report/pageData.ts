import { max } from 'd3-array';
import type { PageColumn, PageData, PageNumber, PagePictures } from './browserData.js';
import type { CaseNote } from './caseNote.js';
import { metricColumn } from './metricColumn.js';
import { caseFolder, casesFolder, type ReportCase, type ReportData } from './read.js';
import { decimalsFor } from './text.js';

/** The data of a report's page. */
export function pageData({ cases }: ReportData): PageData {
  const columns = columnsOf(cases);
  const labels = [...new Set(columns.map(({ label }) => label))].filter((label) => label !== '');
  return {
    columns,
    labels: [...labels.filter((label) => label === 'mean'), ...labels.filter((label) => label !== 'mean')],
    cases: cases.map(({ id, metrics, timings, note, unpictured }) => ({
      id,
      values: columns.map(({ name }) => pageNumber(metrics[name])),
      seconds: Object.values(timings).reduce((sum, value) => sum + value, 0),
      pictures: note ? picturesOf(id, note) : null,
      unpictured: unpictured ?? null,
    })),
  };
}

/** The columns of all cases, in the order in which they first appear. */
function columnsOf(cases: readonly ReportCase[]): PageColumn[] {
  const names = [...new Set(cases.flatMap(({ metrics }) => Object.keys(metrics)))];
  const columns = names.map(metricColumn);
  // All labels of a metric have the same decimals: those that suit its largest value.
  const largest = new Map<string, number>();
  for (const { name, metric } of columns) {
    const sizes = cases.map(({ metrics }) => Math.abs(metrics[name])).filter(Number.isFinite);
    largest.set(metric, max([largest.get(metric) ?? 0, ...sizes])!);
  }
  return columns.map(({ name, metric, title, label, better }) => ({
    name,
    metric,
    title,
    label,
    decimals: decimalsFor(largest.get(metric)!),
    better: better ?? null,
  }));
}

function pageNumber(value: number | undefined): PageNumber {
  if (value === undefined || Number.isNaN(value)) return null;
  if (Number.isFinite(value)) return value;
  return value > 0 ? 'inf' : '-inf';
}

function picturesOf(id: string, note: CaseNote): PagePictures {
  const { planes, grey, masks, window, labels, image } = note;
  const folder = `${casesFolder}/${encodeURIComponent(caseFolder(id))}`;
  return { folder, planes, grey, masks, window, labels, volumes: image !== null || masks.length > 0 };
}
