import { schemeOf } from '../address.js';
import { listNames, OptionError, show } from '../errors.js';
import type { Storage } from './define.js';
import { disk } from './disk.js';
import { http, https } from './http.js';
import { s3 } from './s3.js';

/** The kinds of places where files can be. */
const storages = new Map<string, Storage>([disk, s3, http, https].map((one) => [one.scheme, one]));

/**
 * Adds a kind of place of another package. It replaces one of the same scheme.
 *
 * @throws OptionError if the scheme is not one.
 */
export function registerStorage(added: Storage): void {
  if (!/^[a-z][a-z0-9+.-]+$/.test(added.scheme) || added.scheme === 'file') {
    throw new OptionError(
      `A storage has the scheme ${show(added.scheme)}, but two or more lower-case letters were expected, e.g. "gs", ` +
        'and not "file".',
    );
  }
  storages.set(added.scheme, added);
}

/**
 * The storage of a path or an address.
 *
 * @throws OptionError for an address with an unknown scheme.
 */
export function storageOf(place: string): Storage {
  const scheme = schemeOf(place);
  const found = scheme === undefined ? disk : storages.get(scheme);
  if (found) return found;
  throw new OptionError(
    `The address ${show(place)} has the scheme ${show(scheme)}, but known are ${listNames([...storages.keys()])}. ` +
      'A package can add others with --use.',
  );
}
