import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ModelError } from '../../errors.js';
import { safeName } from '../../formats/safeName.js';
import type { Checksum } from '../../models/checksum.js';
import { toPlain } from '../config/plain.js';
import { readConfigMap } from '../config/readFile.js';
import type { RemoteFile } from './remoteFile.js';

const names = ['large_files.yml', 'large_files.yaml', 'large_files.json'];

const schema = z.looseObject({
  large_files: z.array(
    z.looseObject({
      path: z.string(),
      url: z.string(),
      hash_val: z.string().nullish(),
      hash_type: z.string().nullish(),
    }),
  ),
});

/**
 * The files that a bundle's `large_files.yml` names.
 *
 * @throws OptionError or ModelError if there is such a file and it cannot be used.
 */
export function largeFilesOf(folder: string): RemoteFile[] {
  const name = names.find((one) => existsSync(join(folder, one)));
  if (name === undefined) return [];
  const file = join(folder, name);
  const content = toPlain(readConfigMap(file, 'list of large files', { refuse: false, warn: () => {} }));
  const parsed = schema.safeParse(content);
  if (!parsed.success) {
    throw new ModelError(`${file} must have large_files: a list of entries with a path and a url.`);
  }
  return parsed.data.large_files.map(({ path, url, hash_val: value, hash_type: type }) => {
    const safe = safeName(path);
    if (safe === undefined || !URL.canParse(url) || !/^https?:/.test(url)) {
      throw new ModelError(
        `${file}: the entry for ${path} must be a path in the bundle and an http address.`,
      );
    }
    const checksum = checksumOf(file, path, type || 'md5', value || undefined);
    return { path: safe, url: direct(url), statedBy: name, ...(checksum && { checksum }) };
  });
}

function checksumOf(
  file: string,
  path: string,
  algorithm: string,
  value: string | undefined,
): Checksum | undefined {
  if (value === undefined) return undefined;
  if (algorithm === 'md5' || algorithm === 'sha1' || algorithm === 'sha256') return { algorithm, value };
  throw new ModelError(
    `${file}: the entry for ${path} has the hash_type ${algorithm}, but it must be md5, sha1 or sha256.`,
  );
}

/** The address of a file itself, where Google Drive's address is that of a page about it. */
function direct(url: string): string {
  const id = /^https:\/\/drive\.google\.com\/file\/d\/([\w-]+)/.exec(url)?.[1];
  return id === undefined
    ? url
    : `https://drive.usercontent.google.com/download?id=${id}&export=download&confirm=t`;
}
