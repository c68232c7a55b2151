import { nameInside } from '../address.js';
import type { ListedFile } from './define.js';
import { listPlace } from './places.js';

/** How long a listing is used again, in ms: a dataset may have a pattern for each of its cases. */
const fresh = 10_000;

const listings = new Map<string, { readonly at: number; readonly files: Promise<ListedFile[]> }>();

function listed(folder: string): Promise<ListedFile[]> {
  const known = listings.get(folder);
  if (known && performance.now() - known.at < fresh) return known.files;
  const files = listPlace(folder);
  listings.set(folder, { at: performance.now(), files });
  files.catch(() => listings.delete(folder));
  return files;
}

/**
 * The files at an address that match a pattern, sorted. `*` and `?` stand for characters of a name, `**` for
 * any folders, `[…]` for one of some characters and `{a,b}` for one of some texts. Hidden files and folders
 * match only patterns that begin with a dot, too.
 */
export async function globAddress(pattern: string): Promise<string[]> {
  const parts = pattern.split('/');
  const wild = parts.findIndex((part, i) => i > 2 && /[*?[{]/.test(part));
  const fixed = wild < 0 ? parts.length - 1 : wild;
  const folder = parts.slice(0, fixed).join('/');
  const regex = patternOf(parts.slice(fixed));
  const files = await listed(folder);
  return files.map(({ path }) => path).filter((path) => regex.test(nameInside(folder, path) ?? ''));
}

/** The regular expression of a pattern's parts. */
function patternOf(parts: readonly string[]): RegExp {
  const text = parts.map((part, i) => {
    const last = i === parts.length - 1;
    if (part === '**') return last ? '(?:(?!\\.)[^/]+/)*(?!\\.)[^/]+' : '(?:(?!\\.)[^/]+/)*';
    return `${/^[*?[]/.test(part) ? '(?!\\.)' : ''}${partOf(part)}${last ? '' : '/'}`;
  });
  return new RegExp(`^${text.join('')}$`);
}

/** The regular expression of a part of a pattern between slashes, as text. */
export function partOf(part: string): string {
  return part.replace(
    /\{([^{}]*)\}|\[([^\]]*)\]|[*?]|[\\^$.|+(){}[\]]/g,
    (found, texts?: string, set?: string) => {
      if (texts !== undefined) return `(?:${texts.split(',').map(partOf).join('|')})`;
      if (set !== undefined) return `[${set.replace(/^!/, '^').replaceAll('\\', '\\\\')}]`;
      return found === '*' ? '[^/]*' : found === '?' ? '[^/]' : `\\${found}`;
    },
  );
}
