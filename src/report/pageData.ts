import { max } from 'd3-array';
import { pathsOf } from '../formats/inputFiles.js';
import { type Column, type MetricsTable, tabulate } from '../metrics/columns.js';
import { titleWithUnit } from '../metrics/metric.js';
import type { PageColumn, PageData, PageLabel, PageNumber, PagePictures } from './browserData.js';
import { type CaseNote, hasVolumes } from './caseNote.js';
import { labelColour } from './labelColours.js';
import { findOutliers } from './outliers.js';
import { caseFolder, casesFolder, metricsRows, type ReportData } from './read.js';
import { decimalsFor } from './text.js';

/** Stands for a label in columns that hold the mean over labels. */
export const meanOverLabels = 'mean over labels';

/** The label of a column; empty for columns of the case as a whole. */
export function labelOf({ label, metric }: Pick<Column, 'label' | 'metric'>): string {
  return label ?? (metric.mean ? meanOverLabels : '');
}

/**
 * The data of a report's page.
 *
 * @param command The command that makes the page again.
 */
export function pageData(data: ReportData, command: string): PageData {
  const { cases, run, subgroups = [], notes = new Map() } = data;
  const table = tabulate(metricsRows(cases));
  const columns = columnsOf(table);
  const labels = [...new Set(columns.map(({ label }) => label))].filter((label) => label !== '');
  const isMean = (label: string) => label === meanOverLabels;
  const outliers = findOutliers(cases);
  const maskLabels = new LabelTable();
  const known = new Set(cases.map(({ id }) => id));
  return {
    name: run.pipeline?.name ?? 'run',
    columns,
    labels: [...labels.filter(isMean), ...labels.filter((label) => !isMean(label))],
    cases: cases.map(({ id, timings, note, unpictured }, i) => {
      const marked = columns.flatMap(({ name }, k) => (outliers[i].has(name) ? [k] : []));
      const noted = notes.get(id);
      return {
        id,
        values: columns.map(({ name }) => pageNumber(table.rows[i].values[name])),
        seconds: Object.values(timings).reduce((sum, value) => sum + value, 0),
        pictures: note ? picturesOf(id, note, maskLabels) : null,
        unpictured: unpictured ?? null,
        ...(marked.length > 0 && { outliers: marked }),
        ...(subgroups.length > 0 && { groups: subgroups.map(({ of }) => of.get(id) ?? '') }),
        ...(noted && { note: noted }),
      };
    }),
    maskLabels: maskLabels.all,
    groups: subgroups.map(({ name }) => name),
    command,
    otherNotes: [...notes].filter(([id]) => !known.has(id)),
  };
}

/** The labels of masks, each once: a case refers to them by their indices. */
class LabelTable {
  readonly all: PageLabel[] = [];
  readonly #indices = new Map<string, number>();

  indexOf(label: PageLabel): number {
    const key = JSON.stringify(label);
    const known = this.#indices.get(key);
    if (known !== undefined) return known;
    this.#indices.set(key, this.all.length);
    return this.all.push(label) - 1;
  }
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

function picturesOf(id: string, note: CaseNote, table: LabelTable): PagePictures {
  const { planes, grey, masks, channels, window, image, slices, labels } = note;
  const values = labels.map(({ value }) => value);
  return {
    planes,
    grey,
    masks,
    ...(channels && { channels }),
    window,
    ...(slices && { slices }),
    labels: labels.flatMap(({ value, name, prediction, reference, worst }) =>
      // Names of labels that no mask has would only lengthen the list.
      prediction || reference || worst !== undefined
        ? [[table.indexOf({ value, name, colour: labelColour(value, values) }), worst ?? null] as const]
        : [],
    ),
    folder: `${casesFolder}/${encodeURIComponent(caseFolder(id))}`,
    image: (image && pathsOf(image)[0]) ?? null,
    volumes: hasVolumes(note),
  };
}
