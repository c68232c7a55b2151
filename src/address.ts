import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OptionError, show } from './errors.js';
import { hideSignatures } from './mask.js';

/**
 * An address is a place that is not on a disk, e.g. `s3://bucket/key` or `https://host/file`. The functions
 * here take a path or an address. Drives of Windows (`C:\data`) are paths.
 */
const scheme = /^([a-z][a-z0-9+.-]+):\/\//i;

/** Whether a text is an address. */
export function isAddress(place: string): boolean {
  return scheme.test(place);
}

/** The scheme of an address in lower case, e.g. `s3`; undefined for a path. */
export function schemeOf(place: string): string | undefined {
  return scheme.exec(place)?.[1].toLowerCase();
}

function isWeb(place: string): boolean {
  return /^https?:\/\//i.test(place);
}

/** The parts of an address: `https://host/data` and `?query`. Only web addresses have a query. */
function split(address: string): readonly [location: string, query: string] {
  const at = isWeb(address) ? address.search(/[?#]/) : -1;
  return at < 0 ? [address, ''] : [address.slice(0, at), address.slice(at)];
}

/** A path or an address for messages and records: the query of a web address may hold a signature. */
export function shownPlace(place: string): string {
  return split(place)[0];
}

/** Parameters of a query that sign an address: of Amazon, Google, CloudFront and Azure. */
const signature =
  /^(X-Amz-.*|X-Goog-.*|AWSAccessKeyId|GoogleAccessId|Signature|Key-Pair-Id|Policy|Expires|sig|se)$/i;

/**
 * What an address names, however often it is signed again: the address without its signature. The rest of
 * the query stays, since it may choose the file. Keep it in hashes only: it may hold secrets of other kinds.
 */
export function unsignedPlace(place: string): string {
  const [location, query] = split(place);
  if (query === '') return place;
  const names = [...new URLSearchParams(query.replace(/^\?|#.*$/g, ''))];
  const kept = names.filter(([name]) => !signature.test(name));
  return `${location}${kept.length > 0 ? `?${new URLSearchParams(kept)}` : ''}`;
}

/** The last part of a path or an address: the name of a file. */
export function nameOf(place: string): string {
  return isAddress(place) ? (split(place)[0].split('/').at(-1) ?? '') : basename(place);
}

/** A place inside another one. Names are plain texts; in a web address they are encoded. */
export function joinPlace(place: string, ...names: readonly string[]): string {
  if (!isAddress(place)) return join(place, ...names);
  const [location, query] = split(place);
  const parts = names
    .flatMap((name) => name.split('/'))
    .filter((part) => part !== '' && part !== '.')
    .map((part) => (isWeb(place) ? encodeURIComponent(part) : part));
  return [location.replace(/\/+$/, ''), ...parts].join('/') + query;
}

/** The folder that contains a place. The bucket or host of an address contains itself. */
export function folderOf(place: string): string {
  if (!isAddress(place)) return dirname(place);
  const [location, query] = split(place);
  const parts = location.replace(/\/+$/, '').split('/');
  return parts.slice(0, Math.max(3, parts.length - 1)).join('/') + query;
}

/** An absolute path; addresses are absolute already. */
export function absolutePlace(place: string): string {
  return isAddress(place) ? place : resolve(place);
}

/**
 * The name of a place inside of a folder, with `/` between folders; undefined if it is not inside. Both are
 * addresses.
 */
export function nameInside(folder: string, place: string): string | undefined {
  const start = `${split(folder)[0].replace(/\/+$/, '')}/`;
  const [location] = split(place);
  if (!location.startsWith(start)) return undefined;
  const name = location.slice(start.length);
  return isWeb(place) ? decodeURIComponent(name) : name;
}

/**
 * The place of an entry of a dataset at an address; undefined if the entry is outside of it: because of `..`,
 * an absolute path, or another address.
 */
export function addressInside(root: string, entry: string): string | undefined {
  if (isAddress(entry)) {
    const name = nameInside(root, entry);
    return name === undefined || name.split('/').includes('..') ? undefined : entry;
  }
  const parts: string[] = [];
  for (const part of entry.replaceAll('\\', '/').split('/')) {
    if (part === '..' && parts.pop() === undefined) return undefined;
    if (part !== '..' && part !== '.') parts.push(part);
  }
  // An absolute path begins with an empty part, and one of Windows with a drive.
  if (parts[0] === '' || /^[A-Za-z]:$/.test(parts[0] ?? '')) return undefined;
  return parts.length === 0 ? undefined : joinPlace(root, ...parts);
}

/**
 * Checks a place that a user gave. `file:` addresses become paths.
 *
 * @throws OptionError for an address with a user name or a password, and for a `file:` address of another
 * machine.
 */
export function checkPlace(given: string): string {
  if (/^file:/i.test(given)) return pathOfFileAddress(given);
  if (!isAddress(given)) return given;
  if (/^[^/]*\/\/[^/?#]*@/.test(given)) {
    throw new OptionError(
      `The address ${hideSignatures(given)} contains a user name or a password, which would end up in records. Leave ` +
        'them out: S3 takes credentials from the environment or a profile, and web servers are read without.',
    );
  }
  return given;
}

function pathOfFileAddress(given: string): string {
  try {
    // Wildcards of patterns are not part of a query.
    return fileURLToPath(given.replaceAll('?', '%3F').replaceAll('#', '%23'));
  } catch (error) {
    throw new OptionError(
      `${show(given)} is not the address of a file on this machine, e.g. file:///data/set.`,
      {
        cause: error,
      },
    );
  }
}
