import { type Html, html, nothing, raw } from '../html.js';

/** A list of notes; none if there are none. */
export function noteList(notes: readonly string[]): Html {
  if (notes.length === 0) return nothing;
  const items = notes.map((note) => html`<li>${note}</li>`);
  return html`<ul class="note"${scrollsAbove(8, notes.length, 'Notes')} id="notes">${items}</ul>`;
}

/**
 * Attributes of a box that scrolls if it has more lines than fit. Keyboards can scroll what can be focused.
 */
export const scrollsAbove = (most: number, lines: number, label: string): Html =>
  lines > most ? html` tabindex="0" role="region" aria-label="${label}" data-tall` : raw('');
