import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** The expected checksum of a file. */
export interface Checksum {
  readonly algorithm: 'md5' | 'sha256';
  /** In hexadecimal digits. */
  readonly value: string;
}

/** The algorithms' names in messages. */
export const checksumNames = { md5: 'MD5', sha256: 'SHA-256' } as const;

/** The checksum of a file, in hexadecimal digits. */
export async function checksumOf(file: string, algorithm: Checksum['algorithm']): Promise<string> {
  const hash = createHash(algorithm);
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest('hex');
}
