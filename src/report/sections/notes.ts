import type { SummaryNote } from '../../metrics/summary.js';
import { type Html, html, nothing } from '../html.js';

/** The most cases that a note links to. */
const mostLinks = 5;

/** More notes are in a box that scrolls. */
const mostNotes = 8;

/** Notes as a list: full sentences, or clauses with links to the cases that they are about. */
export function noteList(notes: readonly (string | SummaryNote)[]): Html {
  if (notes.length === 0) return nothing;
  const items = notes.map((note) => {
    if (typeof note === 'string') return html`<li>${note}</li>`;
    const { text, cases } = note;
    const links = cases.slice(0, mostLinks).map((id, i) => html`${i > 0 ? ', ' : ''}${caseButton(id)}`);
    const rest = cases.length > mostLinks ? ` and ${cases.length - mostLinks} more` : '';
    return html`<li>${text}: ${links}${rest}</li>`;
  });
  const list = html`<ul id="notes">${items}</ul>`;
  if (notes.length <= mostNotes) return html`<div class="note">${list}</div>`;
  return html`<div class="note" data-tall tabindex="0" role="region" aria-label="Notes">${list}</div>`;
}

/** A button that opens a case. */
export const caseButton = (id: string | null) =>
  id === null ? '–' : html`<button type="button" class="link" data-open="${id}">${id}</button>`;
