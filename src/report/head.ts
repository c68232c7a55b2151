import { createHash } from 'node:crypto';
import { type Html, html, raw } from './html.js';
import { style } from './style.js';

/** The source expression with which a content security policy allows an inline script or style. */
export const policyHash = (content: string) =>
  `'sha256-${createHash('sha256').update(content).digest('base64')}'`;

/**
 * The head of a page, with the common style. Its content security policy allows that style, by its hash, and
 * nothing else but what `allowed` lists, e.g. `img-src data:`.
 */
export function pageHead(title: string, allowed: readonly string[]): Html {
  const policy = [
    "default-src 'none'",
    `style-src ${policyHash(style)}`,
    ...allowed,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return html`<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${raw(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${raw(style)}</style>
</head>`;
}
