import { type Html, html, nothing, raw } from './html.js';

/**
 * A box that scrolls where its content is wider, and if it is `tall`, also where it is higher than most of
 * the window. Keyboards can only scroll what can have the focus.
 *
 * @param label What is in it, for screen readers. No other box or section of the page has the same label.
 */
export function scrollBox(label: string, content: Html, tall = false): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${label}"${tall ? raw(' data-tall') : nothing}>${content}</div>`;
}

/** Tables with more rows are shown in a tall box. */
export const mostRows = 16;
