import { createHash } from 'node:crypto';

/**
 * A UID made from what it identifies: the same parts give the same UID, and different ones never meet (122
 * bits of SHA-256 as a UUID of version 8). PS3.5, annex B.2.
 */
export function uidOf(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    // The length keeps ['ab', 'c'] apart from ['a', 'bc'].
    hash.update(`${part.length}:`);
    hash.update(part);
  }
  const bytes = hash.digest().subarray(0, 16);
  bytes[6] = (bytes[6] & 0x0f) | 0x80;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return `2.25.${BigInt(`0x${bytes.toString('hex')}`)}`;
}

/** True for a UID as PS3.5, section 9 allows it. */
export function isUid(text: string | undefined): text is string {
  return text !== undefined && text.length <= 64 && /^(0|[1-9]\d*)(\.(0|[1-9]\d*))+$/.test(text);
}
