import { group } from 'd3-array';
import { listNames } from '../errors.js';
import { type ColumnComparison, type Comparison, changedKinds } from '../metrics/compare.js';
import { labelMatrix } from '../metrics/labelMatrix.js';
import { listSome } from '../metrics/table.js';
import type { PageColumn, PageData } from './browserData.js';
import { distributionChart } from './charts/distribution.js';
import { pairedChart } from './charts/volumes.js';
import type { LabelMover } from './comparison.js';
import { type Html, html, nothing, raw, tableHead, tableRow } from './html.js';
import { pageData } from './pageData.js';
import { pageFrame, type Section } from './pageFrame.js';
import type { ReportData, RunRecord } from './read.js';
import { mostRows, scrollBox } from './scrollBox.js';
import { casesSection } from './sections/cases.js';
import { matrixOver } from './sections/matrix.js';
import { caseButton, noteList } from './sections/notes.js';
import { card, type NamedChart } from './sections/plots.js';
import { subgroupsSection } from './sections/subgroups.js';
import { decimalsFor, showNumber } from './text.js';

/** What the page of a comparison is made from. */
export interface ComparisonData {
  /** A and B: the paths that the user gave, and what is known about the runs. */
  readonly runs: readonly { readonly path: string; readonly record: RunRecord }[];
  readonly comparison: Comparison;
  /** What the page has in common with the report of a run. Its cases are those of `comparedCases`. */
  readonly data: ReportData;
  readonly movers: readonly LabelMover[];
}

const kind = 'voxstream comparison';

/** Every page of a comparison has this text, and no other page does. */
export const pageMark = `<p class="brand">${kind}</p>`;

/** With more points in all charts of a card, further columns have no chart, so that the page stays small. */
const mostPoints = 8000;

/** The page that compares two runs: one HTML file that needs only the pictures beside it. */
export function comparisonPage({ runs, comparison, data, movers }: ComparisonData, script: string): string {
  const page = pageData(data, 'voxstream compare A B --report FOLDER');
  const sections: Section[] = [
    { id: 'summary', title: 'Summary', body: summarySection(comparison, data) },
    { id: 'movers', title: 'Worst movers', body: moversSection(movers) },
    { id: 'cases', title: 'Cases', body: casesSection(page, 0) },
    { id: 'plots', title: 'Plots', body: plotsSection(page) },
    { id: 'subgroups', title: 'Subgroups', body: subgroupsSection(data, page) },
    { id: 'provenance', title: 'Provenance', body: provenanceSection(runs) },
  ];
  const [a, b] = runs.map(({ path }) => path);
  return pageFrame({
    kind,
    name: 'A against B',
    meta: html`A: ${a} · B: ${b}`,
    sections: sections.filter(({ body }) => body !== nothing),
    page,
    script,
  });
}

function summarySection(comparison: Comparison, { notesFault }: ReportData): Html {
  const { cases, onlyInA, onlyInB } = comparison;
  const figures = [
    [String(cases), cases === 1 ? 'case in both runs' : 'cases in both runs'],
    ...(onlyInA.length > 0 ? [[String(onlyInA.length), 'only in A']] : []),
    ...(onlyInB.length > 0 ? [[String(onlyInB.length), 'only in B']] : []),
  ].map(([value, title]) => html`<div class="figure"><dd>${value}</dd><dt>${title}</dt></div>`);
  const notes = [
    ...(onlyInA.length > 0 ? [`Only in A, left out: ${listSome(onlyInA)}.`] : []),
    ...(onlyInB.length > 0 ? [`Only in B, left out: ${listSome(onlyInB)}.`] : []),
    'p is that of the two-sided Wilcoxon signed-rank test, not corrected for the number of columns. The interval is ' +
      'that of the mean difference (bootstrap). Values that are undefined or infinite in one run are left out.',
    ...changedKinds(comparison).map(({ columns, cases: ids }) => ({
      text: `${listNames(columns)} ${columns.length === 1 ? 'is' : 'are'} undefined or infinite in one run`,
      cases: ids,
    })),
    ...(notesFault ? [notesFault] : []),
  ];
  return html`<dl class="figures">${figures}</dl>
${tables(comparison)}${noteList(notes)}`;
}

/** The table of the comparison; beneath a matrix of differences, if there are many labels and metrics. */
function tables({ metrics, columns }: Comparison): Html {
  const head = tableHead([
    ...['column', 'n', 'mean A', 'mean B', 'B − A', '95 % CI', 'higher', 'lower', 'same', 'p', 'worst mover'],
  ]);
  const rows = Object.entries(metrics).map(([name, found]) => comparisonRow(name, found));
  const content = html`<table class="numbers compared">${head}<tbody>${rows}</tbody></table>`;
  const table = scrollBox('Comparison of columns', content, rows.length > mostRows);
  const matrix = labelMatrix(columns);
  if (!matrix) return table;
  return matrixOver('Mean differences, B − A', matrix, (name) => differenceText(metrics[name]), table);
}

const digitsOf = ({ meanA, meanB }: ColumnComparison) =>
  decimalsFor(Math.max(Math.abs(meanA ?? 0), Math.abs(meanB ?? 0)));

const signedText = (value: number | null, digits: number) =>
  (value !== null && value > 0 ? '+' : '') + showNumber(value, digits);

const differenceText = (found: ColumnComparison) => signedText(found.meanDifference, digitsOf(found));

function comparisonRow(name: string, found: ColumnComparison): Html {
  const digits = digitsOf(found);
  const show = (value: number | null) => showNumber(value, digits);
  const signed = (value: number | null) => signedText(value, digits);
  return tableRow([
    name,
    found.n,
    show(found.meanA),
    show(found.meanB),
    differenceText(found),
    found.ci95 ? `${signed(found.ci95[0])} to ${signed(found.ci95[1])}` : '–',
    found.higher,
    found.lower,
    found.same,
    found.p === null ? '–' : found.p < 0.0001 ? '< 0.0001' : found.p.toFixed(4),
    caseButton(found.worstMovers[0]?.case ?? null),
  ]);
}

/** The labels that got worse the most, each with a picture; the page's script puts the picture there. */
function moversSection(movers: readonly LabelMover[]): Html {
  if (movers.length === 0) return html`<p class="note">No case got worse.</p>`;
  const show = (value: number) => showNumber(value, decimalsFor(Math.abs(value)));
  const figures = movers.map(({ case: id, label, metric, a, b }) => {
    const what = [metric, ...(label === null ? [] : [label])].join(', ');
    return html`<figure class="mover" data-picture="${id}">${caseButton(id)}<p>${what}: ${show(a)} → ${show(b)}</p></figure>`;
  });
  return html`<div class="movers">${figures}</div>
<p class="note">The slices go through the middle of the difference between the two runs. Contours: A orange, B pink, reference blue.</p>`;
}

function plotsSection(page: PageData): Html {
  const cards = [pairedCard(page), differenceCard(page)].filter((one) => one !== nothing);
  return cards.length > 0 ? html`<div class="plots">${cards}</div>` : nothing;
}

const finiteAt = ({ cases }: PageData, column: number) =>
  cases.flatMap(({ values }, i) => {
    const value = values[column];
    return typeof value === 'number' ? [{ value, case: i }] : [];
  });

/** The columns of differences, with their places. */
const differencesOf = ({ columns }: PageData) =>
  columns.flatMap((column, place) => (column.better ? [{ column, place }] : []));

/** A against B, a chart per column. */
function pairedCard(page: PageData): Html {
  const { cases } = page;
  const differences = differencesOf(page);
  const drawn = differences.slice(0, Math.max(1, Math.floor(mostPoints / Math.max(1, cases.length))));
  const charts = drawn.map(({ column, place }): NamedChart => {
    // The columns of A and B come before that of their difference.
    const points = cases.flatMap(({ values, outliers = [] }, i) => {
      const [x, y] = [values[place - 2], values[place - 1]];
      if (typeof x !== 'number' || typeof y !== 'number') return [];
      return [{ case: i, x, y, outlier: outliers.includes(place) }];
    });
    const name = nameOf(column);
    const chart = pairedChart(`paired-${column.name}`, points, {
      label: `${name} of B against A, one point per case`,
      titles: [`A: ${name}`, `B: ${name}`],
      limits: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    });
    return [name, html`<div class="pair">${raw(chart)}</div>`];
  });
  if (charts.length === 0) return nothing;
  const left = differences.length - drawn.length;
  const note = `They are equal on the dashed line.${left > 0 ? ` ${left} further columns are in the table only.` : ''}`;
  return card('paired', 'B against A', 'Column', charts, note);
}

/** The distribution of the differences, a chart per metric with a row per label. */
function differenceCard(page: PageData): Html {
  const byMetric = group(differencesOf(page), ({ column }) => column.title);
  const charts = [...byMetric].map(([title, columns]): NamedChart => {
    const rows = columns.map(({ column, place }) => {
      const points = finiteAt(page, place).map((point) => ({
        ...point,
        outlier: page.cases[point.case].outliers?.includes(place) === true,
      }));
      return { name: column.label || '–', points, notes: [`n = ${points.length}`] };
    });
    return [title, raw(distributionChart(`difference-${columns[0].column.metric}`, title, rows))];
  });
  return charts.length > 0 ? card('difference', 'Differences per label', 'Metric', charts) : nothing;
}

/** The title of the compared metric with the label. */
function nameOf({ title, label }: PageColumn): string {
  return [title.replace(/: B − A$/, ''), label].filter(Boolean).join(', ');
}

function provenanceSection(runs: ComparisonData['runs']): Html {
  const fields: readonly (readonly [string, (record: RunRecord) => string | undefined])[] = [
    ['pipeline', ({ pipeline }) => pipeline?.name],
    [
      'models',
      ({ models }) => models?.map(({ name, sha256 }) => `${name} ${sha256 ?? ''}`.trim()).join(', '),
    ],
    ['device', ({ device }) => (device === 'auto' ? undefined : device)],
    ['started', ({ started }) => started],
    ['voxstream', ({ voxstream }) => (typeof voxstream === 'string' ? voxstream : undefined)],
    ['identity', ({ identity }) => (typeof identity === 'string' ? identity : undefined)],
  ];
  const rows = [
    tableRow(['path', ...runs.map(({ path }) => path)]),
    ...fields.map(([name, find]) => tableRow([name, ...runs.map(({ record }) => find(record) || '–')])),
  ];
  const head = tableHead(['field', 'A', 'B']);
  return scrollBox(
    'How the runs were made',
    html`<table class="texts wrapped">${head}<tbody>${rows}</tbody></table>`,
  );
}
