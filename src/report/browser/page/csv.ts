import { csvText } from '../../../harmless.js';
import type { PageCase, PageColumn } from '../../browserData.js';
import { make } from '../dom.js';
import { flash } from './download.js';

/** Cases with all their columns as CSV (RFC 4180), in the form of `metrics.csv`. */
export function csvOf(cases: readonly PageCase[], columns: readonly PageColumn[]): string {
  const field = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = cases.map(({ id, values }) => [csvText(id), ...values.map((value) => String(value ?? ''))]);
  const lines = [['case', ...columns.map(({ name }) => csvText(name))], ...rows];
  return lines.map((line) => `${line.map(field).join(',')}\r\n`).join('');
}

/** Copies a text to the clipboard. Returns false when the browser does not allow it. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Some browsers offer the clipboard only to pages from a server. The older way also works for files.
    const area = make('textarea');
    area.value = text;
    // Behind a modal dialog nothing can be selected.
    (document.querySelector('dialog[open]') ?? document.body).append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

/** A button that copies a text. */
export function copyButton(title: string, text: () => string): HTMLElement {
  const button = make('button', { type: 'button' }, title);
  button.addEventListener('click', async () => {
    flash(button, (await copy(text())) ? 'Copied' : 'Not allowed here');
  });
  return button;
}
