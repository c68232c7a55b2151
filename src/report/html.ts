import { createHash } from 'node:crypto';
import { type ColumnSummary, type Summary, summarize, summaryNotes } from '../metrics/summary.js';
import { version } from '../version.js';
import { metricTitle } from './metricTitles.js';
import { type PageColumn, type PageData, pageData } from './pageData.js';
import {
  blandAltmanPlot,
  distributionPlot,
  lanesPlot,
  type PlotRow,
  type VolumePair,
  volumePlot,
} from './plots.js';
import type { ReportData, RunRecord } from './read.js';
import { style } from './style.js';
import { embedJson, escapeHtml, showNumber, showSeconds } from './text.js';

/** Text with its values escaped; what is HTML already is passed as `Html`. */
interface Html {
  readonly html: string;
}

const raw = (html: string): Html => ({ html });

type Piece = string | number | Html | readonly Html[];

function html(parts: TemplateStringsArray, ...values: readonly Piece[]): Html {
  const shown = values.map((value) => {
    if (Array.isArray(value)) return value.map((item: Html) => item.html).join('');
    return typeof value === 'object' ? (value as Html).html : escapeHtml(String(value));
  });
  return raw(parts.reduce((whole, part, i) => whole + shown[i - 1] + part));
}

const nothing = raw('');

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
  const summary = summarize(rows, { seed: data.run.pipeline?.runtime?.seed });
  const name = data.run.pipeline?.name ?? 'run';
  const hash = (content: string) => `'sha256-${createHash('sha256').update(content).digest('base64')}'`;
  const policy = [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    // A page that was opened as a file is of no origin, so its folder is not "self" in every browser.
    "img-src 'self' file: data:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const sections = [
    { id: 'summary', title: 'Summary', body: summarySection(data, summary, page) },
    { id: 'cases', title: 'Cases', body: casesSection(page) },
    { id: 'plots', title: 'Plots', body: plotsSection(data, page) },
    { id: 'failures', title: 'Failures', body: failuresSection(data) },
    { id: 'provenance', title: 'Provenance', body: provenanceSection(data.run) },
  ].filter(({ body }) => body !== nothing);
  return `<!doctype html>\n${
    html`<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${name} – voxstream report</title>
<style>${raw(style)}</style>
</head>
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

function metaLine({ started, device, models, interrupted }: RunRecord): string {
  const parts = [
    started ? `${started.slice(0, 10)} ${started.slice(11, 16)} UTC` : 'the run did not end by itself',
    ...(Array.isArray(models) ? models.map(({ name }: { name: string }) => `model ${name}`) : []),
    ...(device ? [`device ${device}`] : []),
    ...(interrupted ? ['interrupted'] : []),
  ];
  return parts.join(' · ');
}

function summarySection(data: ReportData, summary: Summary, page: PageData): Html {
  const { run, cases, failures } = data;
  const main = page.columns.find(({ better }) => better);
  const missed = Object.values(summary.missed).reduce((sum, names) => sum + names.length, 0);
  const figures: readonly (readonly [string, string, boolean?])[] = [
    [String(cases.length), cases.length === 1 ? 'case' : 'cases'],
    [String(failures.length), 'failed', failures.length > 0],
    ...(main
      ? ([
          [
            showNumber(summary.metrics[main.name].mean, main.decimals),
            `mean ${main.title}${main.label ? `, ${main.label}` : ''}`,
          ],
          [String(missed), 'missed organs', missed > 0],
        ] as const)
      : []),
    ...(run.seconds === undefined ? [] : [[showSeconds(run.seconds), 'wall time'] as const]),
  ];
  const tiles = figures.map(
    ([value, title, alert]) =>
      html`<div class="figure${alert ? ' alert' : ''}"><dd>${value}</dd><dt>${title}</dt></div>`,
  );
  return html`<dl class="figures">${tiles}</dl>${summaryTable(summary, page.columns)}`;
}

function summaryTable(summary: Summary, columns: readonly PageColumn[]): Html {
  if (columns.length === 0) return html`<p class="note">No metrics were computed in this run.</p>`;
  const heads = ['metric', 'label', 'n', 'mean', '95 % CI', 'std', 'median', '25 to 75 %', 'min', 'max'];
  const rows = columns.map((column) => summaryRow(column, summary.metrics[column.name]));
  const notes = summaryNotes(summary);
  return html`<div class="scroll"><table class="numbers summary"><thead><tr>${[...heads, 'worst case'].map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table></div>
${notes.length > 0 ? html`<ul class="note">${notes.map((note) => html`<li>${note}</li>`)}</ul>` : nothing}`;
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
  const choose =
    labels.length > 1
      ? html`<label>Label <select id="label">${labels.map((label) => html`<option>${label}</option>`)}</select></label>`
      : nothing;
  return html`<div class="tools">
<label class="grow">Filter <input type="search" id="filter" autocomplete="off" spellcheck="false" placeholder="part of a name${example ? `, or ${example}<0.8` : ''}"></label>
${choose}
${example ? html`<button type="button" id="worst" aria-pressed="false">Worst first</button>` : nothing}
<output id="count"></output>
</div>
<div class="scroll tall" tabindex="0" role="region" aria-label="Cases"><table class="numbers" id="table"><thead></thead><tbody></tbody></table></div>`;
}

function plotsSection(data: ReportData, page: PageData): Html {
  const plots = [metricPlots(data, page), volumePlots(data), stepPlot(data), lanePlot(data)];
  const drawn = plots.filter((plot) => plot !== nothing);
  return drawn.length > 0 ? html`<div class="plots">${drawn}</div>` : nothing;
}

const options = (names: readonly string[]) =>
  names.map((name, i) => html`<option value="${i}">${name}</option>`);

/** Plots of which one is shown at a time, with the list to choose from; each is a name and its HTML. */
function choice(id: string, title: string, what: string, plots: readonly (readonly [string, Html])[]): Html {
  const list =
    plots.length > 1
      ? html`<label>${what} <select data-choose="${id}">${options(plots.map(([name]) => name))}</select></label>`
      : nothing;
  const panes = plots.map(
    ([, plot], i) => html`<div data-choice="${id}"${raw(i > 0 ? ' hidden' : '')}>${plot}</div>`,
  );
  return html`<figure class="card"><figcaption><h3>${title}</h3>${list}</figcaption>${panes}</figure>`;
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
  const explained = html`<p class="note">Left: the dashed line is where both volumes are equal. Right: the difference after Bland and
Altman; the solid line is the mean difference, the dashed lines are the limits that hold 95 % of differences.</p>`;
  return html`${choice('volume', `Volumes, prediction against reference${only}`, 'Label', plots)}${explained}`;
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
  return html`<div class="scroll"><table class="texts"><thead><tr><th scope="col">case</th><th scope="col">step</th><th scope="col">message</th></tr></thead>
<tbody>${rows}</tbody></table></div>`;
}

function provenanceSection({ pipeline, ...rest }: RunRecord): Html {
  const entries = Object.entries(rest).map(([key, value]) =>
    tableRow([key, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
  if (entries.length === 0 && !pipeline) {
    return html`<p class="note">The run left no run.json: it is still going on, or it was killed.</p>`;
  }
  return html`<div class="scroll"><table class="texts"><tbody>${entries}</tbody></table></div>
<details><summary>The pipeline with all its options</summary><pre tabindex="0">${JSON.stringify(pipeline, null, 2)}</pre></details>`;
}
