import { make } from '../dom.js';

/** Saves a file into the browser's folder of downloads. */
export function download(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = make('a', { href: url, download: name });
  link.click();
  // The browser needs the address until it has begun to save.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A text as a part of a file's name. */
export const fileNamePart = (text: string): string => text.replace(/[^\p{L}\p{N}._-]+/gu, '_').slice(0, 80);

/** Shows on a button for a moment what came of its click. */
export function flash(button: HTMLElement, text: string): void {
  const title = button.dataset.title ?? button.textContent!;
  button.dataset.title = title;
  button.textContent = text;
  setTimeout(() => (button.textContent = title), 1500);
}
