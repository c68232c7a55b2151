import type { PageData } from '../browserData.js';
import { type Html, html, nothing } from '../html.js';

/** The table of cases with its tools. The page's script fills it. */
export function casesSection({ labels, columns, cases }: PageData): Html {
  if (cases.length === 0) return html`<p class="note">No case was finished.</p>`;
  const example = columns.find(({ better }) => better)?.name;
  const hint = `part of a name${example ? `, or ${example}<0.8` : ''}`;
  const worst = html`<button type="button" id="worst" aria-pressed="false">Worst first</button>`;
  return html`${labelChoice(labels)}<div class="tools">
<label class="grow">Filter <input type="search" id="filter" autocomplete="off" spellcheck="false" placeholder="${hint}"></label>
${example ? worst : nothing}
<button type="button" id="copy">Copy CSV</button>
<output id="count"></output>
</div>
<div class="scroll" data-tall tabindex="0" role="region" aria-label="Cases"><table class="numbers" id="table"><thead></thead><tbody></tbody></table></div>`;
}

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
