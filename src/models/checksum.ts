import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';

/** The expected checksum of a file. */
export interface Checksum {
  /** `gitBlob` is Git's hash of a file: the SHA-1 of `blob SIZE`, a zero byte and the content. */
  readonly algorithm: 'md5' | 'sha1' | 'sha256' | 'gitBlob';
  /** In hexadecimal digits. */
  readonly value: string;
}

/** The algorithms' names in messages. */
export const checksumNames = { md5: 'MD5', sha1: 'SHA-1', sha256: 'SHA-256', gitBlob: 'Git hash' } as const;

/** The checksum of a file, in hexadecimal digits. */
export async function checksumOf(file: string, algorithm: Checksum['algorithm']): Promise<string> {
  const hash = createHash(algorithm === 'gitBlob' ? 'sha1' : algorithm);
  if (algorithm === 'gitBlob') hash.update(`blob ${(await stat(file)).size}\0`);
  // One buffer for the whole file: those of a stream pile up until V8 collects them.
  const buffer = Buffer.allocUnsafe(1 << 20);
  const handle = await open(file);
  try {
    for (;;) {
      const { bytesRead } = await handle.read(buffer);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

/** The size, times and place on the disk of a file. They differ if its content was changed. */
export async function stateOf(file: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

/** Checksums that were computed in this process, by path, and the state of the file then. */
const known = new Map<string, { readonly state: string; readonly checksum: Promise<string> }>();

/**
 * The SHA-256 of a file, in hexadecimal digits. Reads the file once, and again only if its size, its times or
 * its place on the disk changed.
 */
export async function sha256Of(file: string): Promise<string> {
  const state = await stateOf(file);
  const found = known.get(file);
  if (found?.state === state) return found.checksum;
  const checksum = checksumOf(file, 'sha256');
  known.set(file, { state, checksum });
  checksum.catch(() => known.delete(file));
  return checksum;
}
