import { type SummaryOptions, summarize } from '../metrics/summary.js';
import { version } from '../version.js';
import { pageHead, policyHash } from './head.js';
import { embedJson, html, nothing, raw } from './html.js';
import { pageData } from './pageData.js';
import { metricsRows, type ReportData, type RunRecord, sinkOptions } from './read.js';
import { casesSection } from './sections/cases.js';
import { failuresSection } from './sections/failures.js';
import { plotsSection } from './sections/plots.js';
import { provenanceSection } from './sections/provenance.js';
import { summarySection } from './sections/summary.js';

/**
 * The page of a report: one HTML file that needs only the pictures beside it. Its content security policy
 * allows its own script and style, by their hashes, and pictures from its own folder. It loads nothing from
 * anywhere else, and never runs text from the data.
 */
export function reportPage(data: ReportData, script: string): string {
  const page = pageData(data);
  const { undefinedAs } = sinkOptions<SummaryOptions>(data.run, 'summary') ?? {};
  const summary = summarize(metricsRows(data.cases), { seed: data.run.pipeline?.runtime?.seed, undefinedAs });
  const name = data.run.pipeline?.name ?? 'run';
  const head = pageHead(`${name} – voxstream report`, [
    `script-src ${policyHash(script)}`,
    // A page that is opened as a file has no origin, so not every browser counts its folder as "self".
    "img-src 'self' file: data:",
  ]);
  const sections = [
    { id: 'summary', title: 'Summary', body: summarySection(data, summary, page) },
    { id: 'cases', title: 'Cases', body: casesSection(page) },
    { id: 'plots', title: 'Plots', body: plotsSection(data) },
    { id: 'failures', title: 'Failures', body: failuresSection(data) },
    { id: 'provenance', title: 'Provenance', body: provenanceSection(data.run) },
  ].filter(({ body }) => body !== nothing);
  const links = sections.map(({ id, title }) => html`<a href="#${id}">${title}</a>`);
  const bodies = sections.map(
    ({ id, title, body }) =>
      html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>\n${body}\n</section>\n`,
  );
  return `<!doctype html>\n${
    html`<html lang="en">
${head}
<body>
<header>
<div class="bar">
<p class="brand">voxstream report</p>
<nav aria-label="Sections">${links}</nav>
<button type="button" id="theme" aria-label="Switch between light and dark"></button>
</div>
<h1>${name}</h1>
<p class="meta">${metaLine(data.run)}</p>
</header>
<main>
${bodies}</main>
<footer>Written by voxstream ${version}. This page works offline. To mail or archive it, keep its folder with it.</footer>
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
    // A run without a model did not look for a device.
    ...(device && device !== 'auto' ? [`device ${device}`] : []),
    ...(interrupted ? ['interrupted'] : []),
    ...(seconds === undefined
      ? [`unfinished${cases ? ` (${cases} cases planned)` : ''}: still running, or killed`]
      : []),
  ];
  return parts.join(' · ');
}
