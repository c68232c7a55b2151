import type { ViewerData } from './browserData.js';
import { contourColours, hasVolumes, maskTitles } from './caseNote.js';
import { embedJson, html, raw } from './html.js';
import { caseFolder, casesFolder, type ReportCase, type ReportData } from './read.js';
import { baseStyle } from './style.js';

/** The cases that have 3D views, and the run that they are from. */
export type ViewedCases = Pick<ReportData, 'cases' | 'run'>;

/** The page with the 3D view of a case, as the server hands it out. */
export function viewerPage({ cases, run }: ViewedCases, subject: ReportCase): string {
  const { id, note } = subject;
  const viewed = cases.filter((one) => one.id === id || hasVolumes(one.note));
  const place = viewed.findIndex((one) => one.id === id);
  const query = (one: ReportCase | undefined) => one && `?case=${encodeURIComponent(one.id)}`;
  const folder = `/${casesFolder}/${encodeURIComponent(caseFolder(id))}`;
  const data: ViewerData = {
    id,
    image: note?.image ? `/3d/image${query(subject)}` : null,
    masks: (note?.masks ?? []).map((name) => ({
      name,
      title: maskTitles[name],
      url: `${folder}/${name}.nii.gz`,
      colour: contourColours[name],
    })),
    window: note?.window ?? null,
    labels: note?.labels ?? [],
    ...(note?.channels && { channels: true }),
    previous: query(viewed[place - 1]) ?? null,
    next: query(viewed[place + 1]) ?? null,
  };
  return `<!doctype html>\n${
    html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${id} in 3D – ${run.pipeline?.name ?? 'run'}</title>
<link rel="stylesheet" href="/3d/viewer.css">
</head>
<body>
<aside>
<p class="back"><a id="back" href="/#case=${encodeURIComponent(id)}">← Report</a></p>
<h1>${id}</h1>
<p class="steps">${link('previous', 'Previous', data.previous)}${link('next', 'Next', data.next)}</p>
<div id="controls"></div>
</aside>
<main>
<canvas id="view" tabindex="0" aria-label="The case in three planes and in 3D"></canvas>
<p id="status" role="status">Loading…</p>
</main>
<script type="application/json" id="data">${raw(embedJson(data))}</script>
<script type="module" src="/3d/viewer.js"></script>
</body>
</html>`.html
  }\n`;
}

const link = (id: string, title: string, address: string | null) =>
  address === null
    ? html`<a id="${id}" aria-disabled="true">${title}</a>`
    : html`<a id="${id}" href="${address}">${title}</a>`;

/** The style of the 3D view. */
export const viewerStyle = `${baseStyle}
html, body { height: 100%; }
body { display: flex; overflow: hidden; }
aside { flex: 0 0 272px; overflow-y: auto; padding: 14px 18px 24px; border-right: 1px solid var(--line); }
.back { margin: 0; }
.back a { color: var(--accent); text-decoration: none; }
h1 { font-size: 20px; font-weight: 640; line-height: 1.3; margin: 14px 0 10px; overflow-wrap: anywhere; }
.steps { display: flex; gap: 8px; margin: 0 0 8px; }
.steps a { border: 1px solid var(--line); border-radius: 6px; padding: 4px 11px; color: inherit; text-decoration: none; font-size: 14px; }
.steps a:hover[href] { border-color: var(--accent); }
.steps a[aria-disabled] { color: var(--quiet); opacity: .55; }
fieldset { border: 0; margin: 20px 0 0; padding: 0; min-width: 0; }
legend { font-size: 13px; font-weight: 600; color: var(--quiet); padding: 0; margin-bottom: 7px; }
.row { display: flex; align-items: center; gap: 8px; margin: 6px 0; }
.row > label { display: flex; align-items: center; gap: 7px; flex: 1; }
.row > input[type="range"] { width: 104px; accent-color: var(--accent); }
.swatches { display: flex; flex-wrap: wrap; gap: 4px 14px; margin-top: 8px; font-size: 14px; }
.swatches span { display: flex; align-items: center; gap: 6px; }
.row i, .swatches i { flex: none; width: 14px; height: 14px; border-radius: 3px; }
.choices { display: flex; flex-wrap: wrap; gap: 6px; }
.choices button { padding: 4px 10px; font-size: 14px; }
.row input[type="number"] { width: 84px; padding: 3px 6px; }
select { width: 100%; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 3px 10px; margin: 0; font-size: 13px; color: var(--quiet); }
dt { justify-self: start; border: 1px solid var(--line); border-radius: 4px; padding: 0 6px; font: 12px/1.6 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; color: var(--text); }
dd { margin: 0; }
main { flex: 1; min-width: 0; min-height: 0; display: flex; flex-direction: column; background: #000; }
canvas { flex: 1; min-height: 0; width: 100%; display: block; outline-offset: -2px; }
#status { margin: 0; padding: 6px 14px; min-height: 34px; background: var(--raised); border-top: 1px solid var(--line); font-size: 13.5px; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
#status.fault { color: var(--alert); }
@media (max-width: 760px) { body { flex-direction: column; } aside { flex: 0 0 42%; border-right: 0; border-bottom: 1px solid var(--line); } }
`;
