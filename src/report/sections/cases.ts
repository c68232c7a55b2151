import type { PageData } from '../browserData.js';
import { type Html, html, nothing } from '../html.js';
import { scrollBox } from '../scrollBox.js';

/**
 * The table of cases with its tools. The page's script fills it.
 *
 * @param bound A number for the example of a filter.
 */
export function casesSection({ labels, columns, cases, groups }: PageData, bound = 0.8): Html {
  if (cases.length === 0) return html`<p class="note">No case was finished.</p>`;
  const example = columns.find(({ better }) => better)?.metric;
  const hints = [
    'part of a name',
    ...(example ? [`${example} < ${bound}`] : []),
    'is:outlier',
    'is:flagged',
    ...groups.slice(0, 1).map((name) => `${name}=…`),
  ];
  const hint = hints.join(', ');
  const worst = html`<button type="button" id="worst" aria-pressed="false">Worst first</button>`;
  const table = html`<table class="numbers" id="table"><thead></thead><tbody></tbody></table>`;
  return html`${labelChoice(labels)}<div class="tools">
<label class="grow">Filter <input type="search" id="filter" autocomplete="off" spellcheck="false" placeholder="${hint}"></label>
${example ? worst : nothing}
<button type="button" id="copy">Copy CSV</button>
<button type="button" id="save-csv">Save CSV</button>
<output id="count"></output>
</div>
${scrollBox('Table of cases', table, true)}<p class="note" id="unprinted"></p>${notesLine}`;
}

/** Saves and loads notes, and says which are not saved. */
const notesLine = html`<div class="tools notes-line" id="notes-line"><output id="notes-state"></output>
<button type="button" id="save-notes" hidden>Save notes</button>
<button type="button" id="load-notes">Load notes</button>
<input type="file" id="notes-file" accept=".json,application/json" aria-label="File with notes" hidden></div>`;

/** More labels than fit into a line of tabs are a list. */
const mostTabs = 8;

/** Chooses the label whose columns the table of cases shows. */
function labelChoice(labels: readonly string[]): Html {
  if (labels.length < 2) return nothing;
  if (labels.length > mostTabs) {
    const list = labels.map((label) => html`<option value="${label}">${label}</option>`);
    return html`<div class="tools"><label>Label <select id="label">${list}</select></label></div>`;
  }
  const tabs = labels.map((label, i) => {
    const pressed = i === 0 ? 'true' : 'false';
    return html`<button type="button" data-label="${label}" aria-pressed="${pressed}">${label}</button>`;
  });
  return html`<div class="tabs" role="group" aria-label="Label">${tabs}</div>`;
}
