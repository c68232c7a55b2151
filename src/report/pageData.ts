import { betterIn, parseColumn } from '../metrics/columns.js';
import type { CaseNote } from './draw.js';
import { metricTitle } from './metricTitles.js';
import { caseFolder, casesFolder, type ReportData } from './read.js';
import { decimalsFor } from './text.js';

/** A metrics column as the page shows it. */
export interface PageColumn {
  /** Its name in `metrics.csv`. */
  readonly name: string;
  /** The metric alone, `dice`; the whole name for columns of unknown metrics. */
  readonly metric: string;
  readonly title: string;
  /** The label's name; empty for columns of unknown metrics, which belong to the case as a whole. */
  readonly label: string;
  readonly decimals: number;
  readonly better: 'higher' | 'lower' | null;
}

/** A number as JSON can hold it: null where it is not defined. */
export type PageNumber = number | 'inf' | '-inf' | null;

/** A case as the page shows it. */
export interface PageCase {
  readonly id: string;
  /** One value per column. */
  readonly values: readonly PageNumber[];
  /** Seconds of work on it, all steps together. */
  readonly seconds: number;
  readonly pictures: PagePictures | null;
  /** Why pictures are missing; null where they are not, or where it is not known. */
  readonly unpictured: string | null;
}

/** What pictures there are of a case. */
export interface PagePictures extends Pick<CaseNote, 'planes' | 'grey' | 'masks' | 'window' | 'labels'> {
  /** The address of its folder, relative to the page. */
  readonly folder: string;
  /** Whether there is anything to see in 3D. */
  readonly volumes: boolean;
}

/** What the page's script works on; it lies in the page as JSON. */
export interface PageData {
  readonly columns: readonly PageColumn[];
  /** The labels that have columns, in order; `mean` is the mean over labels. */
  readonly labels: readonly string[];
  readonly cases: readonly PageCase[];
}

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
