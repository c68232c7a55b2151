import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

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
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest('hex');
}
