import { betterIn, parseColumn } from '../metrics/columns.js';
import type { PageColumn, PageData, PageNumber, PagePictures } from './browserData.js';
import type { CaseNote } from './caseNote.js';
import { metricTitle } from './metricTitles.js';
import { caseFolder, casesFolder, type ReportData } from './read.js';
import { decimalsFor } from './text.js';

/** The data of a report's page. */
export function pageData({ cases }: ReportData): PageData {
  const names = [...new Set(cases.flatMap(({ metrics }) => Object.keys(metrics)))];
  const parsed = names.map((name) => ({ name, ...(parseColumn(name) ?? { metric: name, label: '' }) }));
  // A metric is shown alike for all labels, as exactly as the largest of its values allows.
  const largest = new Map<string, number>();
  for (const { name, metric } of parsed) {
    const sizes = cases.map(({ metrics }) => Math.abs(metrics[name])).filter(Number.isFinite);
    largest.set(
      metric,
      sizes.reduce((a, b) => Math.max(a, b), largest.get(metric) ?? 0),
    );
  }
  const columns = parsed.map(
    ({ name, metric, label }): PageColumn => ({
      name,
      metric,
      title: metricTitle(metric),
      label,
      decimals: decimalsFor(largest.get(metric)!),
      better: betterIn(name) ?? null,
    }),
  );
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
