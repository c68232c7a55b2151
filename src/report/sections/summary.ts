import { labelMatrix } from '../../metrics/labelMatrix.js';
import {
  type ColumnSummary,
  type Summary,
  type SummaryNote,
  summaryNotes,
  worstCase,
} from '../../metrics/summary.js';
import { predictedVolume } from '../../metrics/volumes.js';
import type { PageColumn, PageData } from '../browserData.js';
import { groupNotes } from '../groupNotes.js';
import { type Html, html, tableHead, tableRow } from '../html.js';
import { meanOverLabels } from '../pageData.js';
import type { ReportCase, ReportData } from '../read.js';
import { mostRows, scrollBox } from '../scrollBox.js';
import { showNumber, showSeconds } from '../text.js';
import { matrixOver } from './matrix.js';
import { caseButton, noteList } from './notes.js';

/** The most important numbers, the summary of each column, and notes on what it leaves out. */
export function summarySection(data: ReportData, summary: Summary, page: PageData): Html {
  const { columns } = page;
  const empty = data.cases.filter(hasEmptyPrediction).map(({ id }) => id);
  const tiles = figuresOf(data, summary, columns, empty.length).map(figureTile);
  const notes = [
    ...summaryNotes(summary),
    ...(empty.length > 0
      ? [{ text: `Nothing was predicted in ${empty.length} of ${data.cases.length} cases`, cases: empty }]
      : []),
    ...outlierNotes(page),
    ...assumptions(data),
    ...(data.notesFault ? [data.notesFault] : []),
  ];
  return html`<dl class="figures">${tiles}</dl>${tables(summary, columns)}${noteList(notes)}`;
}

/** The table of the summary; beneath a matrix of means, if there are many labels and metrics. */
function tables(summary: Summary, columns: readonly PageColumn[]): Html {
  const table = summaryTable(summary, columns);
  const matrix = labelMatrix(summary.columns);
  if (!matrix) return table;
  const decimals = new Map(columns.map(({ name, decimals: digits }) => [name, digits]));
  const cell = (column: string) => showNumber(summary.metrics[column].mean, decimals.get(column) ?? 3);
  return matrixOver('Means over cases', matrix, cell, table);
}

/** The cases that are outliers in a column of a metric; a note per metric. */
function outlierNotes({ cases, columns }: PageData): SummaryNote[] {
  const metrics = new Map(columns.map(({ metric, title }) => [metric, title]));
  return [...metrics].flatMap(([metric, title]) => {
    const found = cases.filter(({ outliers = [] }) => outliers.some((k) => columns[k].metric === metric));
    if (found.length === 0) return [];
    const what = metric === predictedVolume.name ? 'by volume' : `by ${title}`;
    const count = found.length === 1 ? '1 case is an outlier' : `${found.length} cases are outliers`;
    return [{ text: `${count} ${what} for a label`, cases: found.map(({ id }) => id) }];
  });
}

/** What was assumed about the data, each with the cases that it concerns. */
function assumptions({ cases }: ReportData): SummaryNote[] {
  const notes = cases.flatMap(({ id, note }) => (note?.notes ?? []).map((text) => [id, text] as const));
  return groupNotes(notes).map(({ text, cases: ids }) => ({ text: text.replace(/\.$/, ''), cases: ids }));
}

/** A number that is shown large. `alert` is an address: where to read on about a number that needs a look. */
interface Figure {
  readonly value: string;
  readonly title: string;
  readonly alert?: string | false;
}

function figuresOf(
  { run, cases, failures }: ReportData,
  summary: Summary,
  columns: readonly PageColumn[],
  empty: number,
): Figure[] {
  const compared = columns.find(({ better }) => better);
  const metric = compared?.metric ?? predictedVolume.name;
  const ofMetric = columns.filter((column) => column.metric === metric);
  const main = ofMetric.find(({ label }) => label === meanOverLabels) ?? ofMetric[0];
  const missed = Object.values(summary.missed).reduce((sum, ids) => sum + ids.length, 0);
  const figures: Figure[] = [
    { value: String(cases.length), title: cases.length === 1 ? 'case' : 'cases' },
    { value: String(failures.length), title: 'failed', alert: failures.length > 0 && '#failures' },
  ];
  if (main) {
    const label = main.label === meanOverLabels ? ', over labels' : main.label && `, ${main.label}`;
    const mean = showNumber(summary.metrics[main.name].mean, main.decimals);
    figures.push({ value: mean, title: `mean ${main.title}${label}` });
  }
  if (compared) {
    figures.push({ value: String(missed), title: 'missed organs', alert: missed > 0 && '#notes' });
  }
  if (empty > 0) figures.push({ value: String(empty), title: 'empty predictions', alert: '#notes' });
  if (run.seconds !== undefined) figures.push({ value: showSeconds(run.seconds), title: 'wall time' });
  return figures;
}

const figureTile = ({ value, title, alert }: Figure): Html =>
  alert
    ? html`<div class="figure alert"><dd><a href="${alert}">${value}</a></dd><dt>${title}</dt></div>`
    : html`<div class="figure"><dd>${value}</dd><dt>${title}</dt></div>`;

/** Whether a case has a predicted mask without a single voxel of any label. */
const hasEmptyPrediction = ({ note }: ReportCase) =>
  note?.masks.includes('prediction') === true && note.labels.every(({ prediction }) => !prediction);

function summaryTable(summary: Summary, columns: readonly PageColumn[]): Html {
  if (columns.length === 0) return html`<p class="note">No metrics were computed in this run.</p>`;
  const head = tableHead([
    ...['metric', 'label', 'n', 'mean', '95 % CI', 'std', 'median', '25 to 75 %', 'min', 'max'],
    'worst case',
  ]);
  const rows = columns.map((column) => summaryRow(column, summary.metrics[column.name]));
  const table = html`<table class="numbers summary">${head}<tbody>${rows}</tbody></table>`;
  return scrollBox('Statistics of columns', table, rows.length > mostRows);
}

function summaryRow({ title, label, decimals, better }: PageColumn, found: ColumnSummary): Html {
  const show = (value: number | null | undefined) => showNumber(value, decimals);
  const range = (low?: number, high?: number) =>
    low === undefined || high === undefined ? '–' : `${show(low)} to ${show(high)}`;
  return tableRow([
    title,
    label || '–',
    found.n,
    show(found.mean),
    range(found.ci95?.[0], found.ci95?.[1]),
    show(found.std),
    show(found.median),
    range(found.percentiles?.[25], found.percentiles?.[75]),
    show(found.min),
    show(found.max),
    caseButton(worstCase(found, better)),
  ]);
}
