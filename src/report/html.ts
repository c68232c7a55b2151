import {
  type ColumnSummary,
  type Summary,
  type SummaryOptions,
  summarize,
  summaryNotes,
} from '../metrics/summary.js';
import { listSome } from '../metrics/table.js';
import { version } from '../version.js';
import type { PageColumn, PageData } from './browserData.js';
import type { CaseNote } from './caseNote.js';
import { pageHead, policyHash } from './head.js';
import { metricTitle } from './metricTitles.js';
import { pageData } from './pageData.js';
import {
  blandAltmanPlot,
  distributionPlot,
  lanesPlot,
  type PlotRow,
  type VolumePair,
  volumePlot,
} from './plots.js';
import { type ReportData, type RunRecord, sinkOptions } from './read.js';
import { embedJson, type Html, html, nothing, type Piece, raw, showNumber, showSeconds } from './text.js';

/** A row of HTML table cells, the first a head. */
const tableRow = (cells: readonly Piece[]) =>
  html`<tr>${cells.map((cell, i) => (i === 0 ? html`<th scope="row">${cell}</th>` : html`<td>${cell}</td>`))}</tr>`;

/**
 * The page of a report: one HTML file that needs nothing but the pictures beside it. Its content security policy allows its
 * own script and style, by their hashes, and pictures from its own folder; nothing is fetched from anywhere, and no
 * text of the data is ever run.
 */
export function reportPage(data: ReportData, script: string): string {
  const page = pageData(data);
  const rows = data.cases.map(({ id, metrics }) => ({ case: id, metrics }));
  const { undefinedAs } = sinkOptions<SummaryOptions>(data.run, 'summary') ?? {};
  const summary = summarize(rows, { seed: data.run.pipeline?.runtime?.seed, undefinedAs });
  const name = data.run.pipeline?.name ?? 'run';
  const head = pageHead(`${name} – voxstream report`, [
    `script-src ${policyHash(script)}`,
    // A page that was opened as a file is of no origin, so its folder is not "self" in every browser.
    "img-src 'self' file: data:",
  ]);
  const sections = [
    { id: 'summary', title: 'Summary', body: summarySection(data, summary, page) },
    { id: 'cases', title: 'Cases', body: casesSection(page) },
    { id: 'plots', title: 'Plots', body: plotsSection(data, page) },
    { id: 'failures', title: 'Failures', body: failuresSection(data) },
    { id: 'provenance', title: 'Provenance', body: provenanceSection(data.run) },
  ].filter(({ body }) => body !== nothing);
  return `<!doctype html>\n${
    html`<html lang="en">
${head}
<body>
<header>
<div class="bar">
<p class="brand">voxstream report</p>
<nav aria-label="Sections">${sections.map(({ id, title }) => html`<a href="#${id}">${title}</a>`)}</nav>
<button type="button" id="theme" aria-label="Switch between light and dark"></button>
</div>
<h1>${name}</h1>
<p class="meta">${metaLine(data.run)}</p>
</header>
<main>
${sections.map(({ id, title, body }) => html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>\n${body}\n</section>\n`)}</main>
<footer>Written by voxstream ${version}. This page fetches nothing; it can be mailed or archived with its folder.</footer>
<dialog id="case" aria-labelledby="case-title"></dialog>
<div id="tip" role="status" hidden></div>
<script type="application/json" id="data">${raw(embedJson(page))}</script>
<script type="module">${raw(script)}</script>
</body>
</html>`.html
  }\n`;
}

function metaLine({ started, device, models, interrupted, seconds, cases }: RunRecord): string {
  const parts = [
    ...(started ? [`${started.slice(0, 10)} ${started.slice(11, 16)} UTC`] : []),
    ...(models ?? []).map(({ name }) => `model ${name}`),
    // A run without a model has not looked for a device.
    ...(device && device !== 'auto' ? [`device ${device}`] : []),
    ...(interrupted ? ['interrupted'] : []),
    ...(seconds === undefined
      ? [`not ended${cases ? `: it was to do ${cases} cases` : ''}, killed or still going on`]
      : []),
  ];
  return parts.join(' · ');
}

/** A number to be seen first, what it is, and where to read on if it calls for a look. */
interface Figure {
  readonly value: string;
  readonly title: string;
  readonly alert?: string | false;
}

function summarySection(data: ReportData, summary: Summary, page: PageData): Html {
  const { run, cases, failures } = data;
  const { metric } = page.columns.find(({ better }) => better) ?? { metric: 'volume_ml' };
  const ofMetric = page.columns.filter((column) => column.metric === metric);
  const main = ofMetric.find(({ label }) => label === 'mean') ?? ofMetric[0];
  const missed = Object.values(summary.missed).reduce((sum, names) => sum + names.length, 0);
  const empty = cases.filter(({ note }) => isEmpty(note)).map(({ id }) => id);
  const figures: readonly Figure[] = [
    { value: String(cases.length), title: cases.length === 1 ? 'case' : 'cases' },
    { value: String(failures.length), title: 'failed', alert: failures.length > 0 && '#failures' },
    ...(main
      ? [
          {
            value: showNumber(summary.metrics[main.name].mean, main.decimals),
            title: `mean ${main.title}${main.label === 'mean' ? ', over labels' : main.label ? `, ${main.label}` : ''}`,
          },
        ]
      : []),
    ...(page.columns.some(({ better }) => better)
      ? [{ value: String(missed), title: 'missed organs', alert: missed > 0 && '#notes' }]
      : []),
    ...(empty.length > 0
      ? [{ value: String(empty.length), title: 'empty predictions', alert: '#notes' }]
      : []),
    ...(run.seconds === undefined ? [] : [{ value: showSeconds(run.seconds), title: 'wall time' }]),
  ];
  const tiles = figures.map(({ value, title, alert }) =>
    alert
      ? html`<div class="figure alert"><dd><a href="${alert}">${value}</a></dd><dt>${title}</dt></div>`
      : html`<div class="figure"><dd>${value}</dd><dt>${title}</dt></div>`,
  );
  const notes = [
    ...summaryNotes(summary),
    ...(empty.length > 0
      ? [`Nothing was predicted in ${empty.length} of ${cases.length} cases: ${listSome(empty)}.`]
      : []),
  ];
  const list =
    notes.length > 0
      ? html`<ul class="note" id="notes">${notes.map((note) => html`<li>${note}</li>`)}</ul>`
      : nothing;
  return html`<dl class="figures">${tiles}</dl>${summaryTable(summary, page.columns)}${list}`;
}

/** Whether a prediction was drawn that has not one voxel of any label. */
function isEmpty(note: CaseNote | undefined): boolean {
  return note?.masks.includes('prediction') === true && note.labels.every(({ prediction }) => !prediction);
}

function summaryTable(summary: Summary, columns: readonly PageColumn[]): Html {
  if (columns.length === 0) return html`<p class="note">No metrics were computed in this run.</p>`;
  const heads = ['metric', 'label', 'n', 'mean', '95 % CI', 'std', 'median', '25 to 75 %', 'min', 'max'];
  const rows = columns.map((column) => summaryRow(column, summary.metrics[column.name]));
  // Keyboards can scroll what can be focused.
  const tall = rows.length > 16 ? raw(' tall" tabindex="0" role="region" aria-label="Summary') : nothing;
  return html`<div class="scroll${tall}"><table class="numbers summary"><thead><tr>${[...heads, 'worst case'].map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table></div>`;
}

function summaryRow({ title, label, decimals, better }: PageColumn, found: ColumnSummary): Html {
  const show = (value: number | null | undefined) => showNumber(value, decimals);
  const range = (low?: number, high?: number) =>
    low === undefined || high === undefined ? '–' : `${show(low)} to ${show(high)}`;
  const worst =
    better === 'higher' ? found.minCase : better === 'lower' ? (found.infinite[0] ?? found.maxCase) : null;
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
    worst === null ? '–' : html`<button type="button" class="link" data-open="${worst}">${worst}</button>`,
  ]);
}

function casesSection({ labels, columns, cases }: PageData): Html {
  if (cases.length === 0) return html`<p class="note">No case ended well.</p>`;
  const example = columns.find(({ better }) => better)?.name;
  return html`${labelChoice(labels)}<div class="tools">
<label class="grow">Filter <input type="search" id="filter" autocomplete="off" spellcheck="false" placeholder="part of a name${example ? `, or ${example}<0.8` : ''}"></label>
${example ? html`<button type="button" id="worst" aria-pressed="false">Worst first</button>` : nothing}
<button type="button" id="copy">Copy CSV</button>
<output id="count"></output>
</div>
<div class="scroll tall" tabindex="0" role="region" aria-label="Cases"><table class="numbers" id="table"><thead></thead><tbody></tbody></table></div>`;
}

/** More labels than fit into a line of tabs are a list. */
const mostTabs = 8;

/** What chooses the label whose columns the table of cases shows. */
function labelChoice(labels: readonly string[]): Html {
  if (labels.length < 2) return nothing;
  const title = (label: string) => (label === 'mean' ? 'mean over labels' : label);
  if (labels.length > mostTabs) {
    const list = labels.map((label) => html`<option value="${label}">${title(label)}</option>`);
    return html`<div class="tools"><label>Label <select id="label">${list}</select></label></div>`;
  }
  const tabs = labels.map(
    (label, i) =>
      html`<button type="button" data-label="${label}" aria-pressed="${i === 0 ? 'true' : 'false'}">${title(label)}</button>`,
  );
  return html`<div class="tabs" role="group" aria-label="Label">${tabs}</div>`;
}

function plotsSection(data: ReportData, page: PageData): Html {
  const plots = [metricPlots(data, page), volumePlots(data), stepPlot(data), lanePlot(data)];
  const drawn = plots.filter((plot) => plot !== nothing);
  return drawn.length > 0 ? html`<div class="plots">${drawn}</div>` : nothing;
}

const options = (names: readonly string[]) =>
  names.map((name, i) => html`<option value="${i}">${name}</option>`);

/** Plots of which one is shown at a time, with the list to choose from; each is a name and its HTML. */
function choice(
  id: string,
  title: string,
  what: string,
  plots: readonly (readonly [string, Html])[],
  explained = '',
): Html {
  const list =
    plots.length > 1
      ? html`<label>${what} <select data-choose="${id}">${options(plots.map(([name]) => name))}</select></label>`
      : nothing;
  const panes = plots.map(
    ([, plot], i) => html`<div data-choice="${id}"${raw(i > 0 ? ' hidden' : '')}>${plot}</div>`,
  );
  return html`<figure class="card"><figcaption><h3>${title}</h3>${list}</figcaption>${panes}${explained ? html`<p class="note">${explained}</p>` : nothing}</figure>`;
}

function metricPlots({ cases }: ReportData, { columns }: PageData): Html {
  const metrics = [...new Set(columns.map(({ metric }) => metric))];
  if (metrics.length === 0) return nothing;
  const plots = metrics.map((metric) => {
    const rows = columns
      .filter((column) => column.metric === metric)
      .map(({ name, label }): PlotRow => {
        const points = cases.flatMap(({ metrics: row }, i) =>
          name in row ? [{ value: row[name], case: i }] : [],
        );
        return { name: label || name, points, note: countNote(points.map(({ value }) => value)) };
      });
    const better = columns.find((column) => column.metric === metric)?.better;
    const bounds = better === 'higher' ? [0, 1] : better === 'lower' ? [0, Infinity] : [-Infinity, Infinity];
    const plot = distributionPlot(`metric-${metric}`, metricTitle(metric), rows, bounds as [number, number]);
    return [metricTitle(metric), raw(plot)] as const;
  });
  return choice('metric', 'Distribution per label', 'Metric', plots);
}

/** How many values a row shows, and how many it cannot. */
function countNote(values: readonly number[]): string {
  const finite = values.filter(Number.isFinite).length;
  const undefinedOnes = values.filter(Number.isNaN).length;
  const infinite = values.length - finite - undefinedOnes;
  return [
    `n = ${finite}`,
    ...(undefinedOnes > 0 ? [`${undefinedOnes} undefined`] : []),
    ...(infinite > 0 ? [`${infinite} infinite`] : []),
  ].join(', ');
}

/** The volumes of each label, by label; measured where the pictures were made, so no metric is needed for them. */
function volumePairs({ cases }: ReportData): Map<string, VolumePair[]> {
  const byLabel = new Map<string, VolumePair[]>();
  cases.forEach(({ note }, i) => {
    for (const { name, prediction, reference } of note?.labels ?? []) {
      if (prediction === null || reference === null) continue;
      const pairs = byLabel.get(name) ?? [];
      pairs.push({ case: i, prediction, reference });
      byLabel.set(name, pairs);
    }
  });
  return byLabel;
}

function volumePlots(data: ReportData): Html {
  const byLabel = [...volumePairs(data)];
  if (byLabel.length === 0) return nothing;
  const plots = byLabel.map(([label, pairs]) => {
    const both = volumePlot(`volume-${label}`, pairs) + blandAltmanPlot(`agreement-${label}`, pairs);
    return [label, html`<div class="pair">${raw(both)}</div>`] as const;
  });
  const only = byLabel.length === 1 ? `, ${byLabel[0][0]}` : '';
  const explained =
    'First: prediction against reference; both are equal on the dashed line. Second: their difference, after Bland and ' +
    'Altman; the solid line is the mean difference, between the dashed lines lie 95 % of differences.';
  return choice('volume', `Volumes, prediction against reference${only}`, 'Label', plots, explained);
}

function stepPlot({ cases }: ReportData): Html {
  const steps = [...new Set(cases.flatMap(({ timings }) => Object.keys(timings)))];
  if (steps.length === 0) return nothing;
  const totals = steps.map((step) => cases.reduce((sum, { timings }) => sum + (timings[step] ?? 0), 0));
  const all = totals.reduce((sum, total) => sum + total, 0);
  const rows = steps.map((step, k): PlotRow => {
    const points = cases.flatMap(({ timings }, i) =>
      step in timings ? [{ value: timings[step], case: i }] : [],
    );
    const share = all > 0 ? ` (${Math.round((100 * totals[k]) / all)} %)` : '';
    return { name: step, points, note: `${showSeconds(totals[k])} in all${share}` };
  });
  const plot = distributionPlot('steps', 'seconds per case, waiting left out', rows, [0, Infinity]);
  return choice('steps', 'Seconds per step', '', [['', raw(plot)]]);
}

function lanePlot({ lanes }: ReportData): Html {
  if (!lanes || Object.keys(lanes.busy).length === 0) return nothing;
  return choice('lanes', 'Lanes over time', '', [['', raw(lanesPlot('lanes', lanes))]]);
}

function failuresSection({ failures }: ReportData): Html {
  if (failures.length === 0) return html`<p class="note">No case failed.</p>`;
  const rows = failures.map(({ case: id, step, message }) => tableRow([id, step, message]));
  const counts = new Map<string, number>();
  for (const { step } of failures) counts.set(step, (counts.get(step) ?? 0) + 1);
  const bySteps = [...counts].map(([step, count]) => `${count} in ${step}`).join(', ');
  return html`<p class="lead">${failures.length} failed: ${bySteps}. <code>--resume</code> does them again.</p>
<div class="scroll"><table class="texts"><thead><tr><th scope="col">case</th><th scope="col">step</th><th scope="col">message</th></tr></thead>
<tbody>${rows}</tbody></table></div>`;
}

function provenanceSection({ pipeline, models, lanes, seconds, started, ...rest }: RunRecord): Html {
  if (!pipeline && !started)
    return html`<p class="note">The folder has no run.json: what ran is not known.</p>`;
  const { voxstream, node, platform, device, files, identity } = rest;
  const list = (value: unknown) => (Array.isArray(value) ? value.join(', ') : String(value));
  const shares = Object.entries(lanes ?? {}).map(([lane, share]) => `${lane} ${Math.round(100 * share)} %`);
  const entries: readonly (readonly [string, string | undefined])[] = [
    ['pipeline', Array.isArray(files) && files.length > 0 ? list(files) : pipeline?.name],
    ...(models ?? []).map(
      ({ name, sha256 }) => ['model', `${name}${sha256 ? `, SHA-256 ${sha256}` : ''}`] as const,
    ),
    ['device', device === 'auto' ? undefined : device],
    ['started', started],
    ['wall time', seconds === undefined ? undefined : showSeconds(seconds)],
    ['lanes busy', shares.length > 0 ? shares.join(', ') : undefined],
    ['voxstream', list(voxstream)],
    ['Node', `${list(node)} on ${list(platform)}`],
    ['identity', list(identity)],
  ];
  const rows = entries.flatMap(([name, value]) => (value === undefined ? [] : [tableRow([name, value])]));
  return html`<div class="scroll"><table class="texts"><tbody>${rows}</tbody></table></div>
<details><summary>The pipeline with all its options</summary><pre tabindex="0">${JSON.stringify(pipeline, null, 2)}</pre></details>`;
}
