import { version } from '../version.js';
import type { PageData } from './browserData.js';
import { pageHead, policyHash } from './head.js';
import { embedJson, type Html, html, raw } from './html.js';

/** A section of a page. */
export interface Section {
  readonly id: string;
  readonly title: string;
  readonly body: Html;
}

/** The parts of a page with a table of cases. */
export interface PageParts {
  /** Which kind of page this is. */
  readonly kind: string;
  readonly name: string;
  /** A line below the name. */
  readonly meta: string | Html;
  readonly sections: readonly Section[];
  readonly page: PageData;
  readonly script: string;
}

/**
 * A page as one HTML file that needs only the pictures beside it. Its content security policy allows its own
 * script and style, by their hashes, and pictures from its own folder. It loads nothing from anywhere else,
 * and never runs text from the data.
 */
export function pageFrame({ kind, name, meta, sections, page, script }: PageParts): string {
  const head = pageHead(`${name} – ${kind}`, [
    `script-src ${policyHash(script)}`,
    // A page that is opened as a file has no origin, so not every browser counts its folder as "self".
    "img-src 'self' file: data:",
  ]);
  const links = sections.map(({ id, title }) => html`<a href="#${id}">${title}</a>`);
  const bodies = sections.map(
    ({ id, title, body }) =>
      html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>\n${body}\n</section>\n`,
  );
  return `<!doctype html>\n${
    html`<html lang="en">
${head}
<body>
<header>
<div class="bar">
<p class="brand">${kind}</p>
<nav aria-label="Sections">${links}</nav>
<button type="button" id="theme" aria-label="Switch between light and dark"></button>
</div>
<h1>${name}</h1>
<p class="meta">${meta}</p>
</header>
<main>
${bodies}</main>
<footer>Written by voxstream ${version}. This page works offline. To mail or archive it, keep its folder with it.</footer>
<dialog id="case" aria-labelledby="case-title"></dialog>
<div id="tip" role="status" hidden></div>
<script type="application/json" id="data">${raw(embedJson(page))}</script>
<script type="module">${raw(script)}</script>
</body>
</html>`.html
  }\n`;
}
