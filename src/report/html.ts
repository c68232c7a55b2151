import { printable } from '../harmless.js';

/**
 * Escapes a text for HTML and SVG, also for attributes. Control characters become visible; see `printable`.
 */
export function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return printable(text).replace(/[&<>"']/g, (character) => entities[character]);
}

/** Text that is already HTML. */
export interface Html {
  readonly html: string;
}

/** Marks a text as HTML, so that templates do not escape it. */
export const raw = (html: string): Html => ({ html });

export const nothing = raw('');

/** What an HTML template may contain: texts and numbers, which are escaped, and HTML. */
export type Piece = string | number | Html | readonly Html[];

/** A template of HTML. Its values are escaped unless they are HTML. */
export function html(parts: TemplateStringsArray, ...values: readonly Piece[]): Html {
  const shown = values.map((value) => {
    if (Array.isArray(value)) return value.map((item: Html) => item.html).join('');
    return typeof value === 'object' ? (value as Html).html : escapeHtml(String(value));
  });
  return raw(parts.reduce((whole, part, i) => whole + shown[i - 1] + part));
}

/** A value as JSON for a `<script>` element. No text in it can end the element. */
export function embedJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

/** The head of a table. */
export const tableHead = (titles: readonly string[]): Html =>
  html`<thead><tr>${titles.map((title) => html`<th scope="col">${title}</th>`)}</tr></thead>`;

/** A row of a table. Its first cell is its head. */
export const tableRow = ([first, ...cells]: readonly Piece[]): Html =>
  html`<tr><th scope="row">${first}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`;
