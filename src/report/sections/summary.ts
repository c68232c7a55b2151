import { type ColumnSummary, type Summary, summaryNotes, worstCase } from '../../metrics/summary.js';
import { listSome } from '../../metrics/table.js';
import { predictedVolume } from '../../metrics/volumes.js';
import type { PageColumn, PageData } from '../browserData.js';
import { groupNotes, groupText } from '../groupNotes.js';
import { type Html, html, tableHead, tableRow } from '../html.js';
import { meanOverLabels } from '../pageData.js';
import type { ReportCase, ReportData } from '../read.js';
import { showNumber, showSeconds } from '../text.js';
import { noteList, scrollsAbove } from './notes.js';

/** The most important numbers, the summary of each column, and notes on what it leaves out. */
export function summarySection(data: ReportData, summary: Summary, { columns }: PageData): Html {
  const empty = data.cases.filter(hasEmptyPrediction).map(({ id }) => id);
  const tiles = figuresOf(data, summary, columns, empty.length).map(figureTile);
  const notes = [
    ...summaryNotes(summary),
    ...(empty.length > 0
      ? [`Nothing was predicted in ${empty.length} of ${data.cases.length} cases: ${listSome(empty)}.`]
      : []),
    ...assumptions(data),
  ];
  return html`<dl class="figures">${tiles}</dl>${summaryTable(summary, columns)}${noteList(notes)}`;
}

/** What was assumed about the data, each with the cases that it concerns. */
function assumptions({ cases }: ReportData): string[] {
  const notes = cases.flatMap(({ id, note }) => (note?.notes ?? []).map((text) => [id, text] as const));
  return groupNotes(notes).map(groupText);
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
  return html`<div class="scroll"${scrollsAbove(16, rows.length, 'Summary')}><table class="numbers summary">${head}
<tbody>${rows}</tbody></table></div>`;
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

const caseButton = (id: string | null) =>
  id === null ? '–' : html`<button type="button" class="link" data-open="${id}">${id}</button>`;
