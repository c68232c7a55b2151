import { printable } from '../../harmless.js';

/** The page's element with an id; the page always has it. */
export function byId<Kind extends HTMLElement = HTMLElement>(id: string): Kind {
  return document.getElementById(id) as Kind;
}

/** The JSON that is embedded in the page. */
export function embeddedData<Data>(): Data {
  return JSON.parse(byId('data').textContent!) as Data;
}

/**
 * What an element may contain. A string always becomes a text node, so that no name in the data is ever
 * markup. Characters that act are shown as `printable` writes them.
 */
export type Child = Node | string;

/** Creates an element. Attributes that are false are left out; true gives an attribute without a value. */
export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string | boolean>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.map((child) => (typeof child === 'string' ? printable(child) : child)));
  return element;
}

/** A box that scrolls where its content is wider. Keyboards can only scroll what can have the focus. */
export const scrollBox = (label: string, content: Child): HTMLElement =>
  make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label }, content);
