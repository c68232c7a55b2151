import type { SummaryNote } from '../../metrics/summary.js';
import { type Html, html, nothing, raw } from '../html.js';

/** The most cases that a note links to. */
const mostLinks = 5;

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
  return html`<ul class="note"${scrollsAbove(8, notes.length, 'Notes')} id="notes">${items}</ul>`;
}

/** A button that opens a case. */
export const caseButton = (id: string | null) =>
  id === null ? '–' : html`<button type="button" class="link" data-open="${id}">${id}</button>`;

/**
 * Attributes of a box that scrolls if it has more lines than fit. Keyboards can scroll what can be focused.
 */
export const scrollsAbove = (most: number, lines: number, label: string): Html =>
  lines > most ? html` tabindex="0" role="region" aria-label="${label}" data-tall` : raw('');
