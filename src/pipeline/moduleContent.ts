import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** A literal with a relative path: in imports, and in `new URL('./kernel.js', import.meta.url)`. */
const relativePath = /(['"`])(\.{1,2}\/[^'"`\n]+)\1/g;

/** Files whose literals are followed. */
const isCode = /\.[cm]?[jt]sx?$/;

/**
 * The SHA-256 of a module and of the files that it names with relative paths, and so on from file to file.
 * Installed packages that it imports are not part of it, nor are files whose paths it computes.
 */
export async function contentOf(module: string): Promise<string> {
  const hash = createHash('sha256');
  const files = new Set([module]);
  for (const file of files) {
    const content = await readFile(file);
    // With the length, so that no other division into files has the same hash.
    hash.update(`${content.length}\n`).update(content);
    if (!isCode.test(file)) continue;
    for (const [, , path] of content.toString('utf8').matchAll(relativePath)) {
      const named = resolve(dirname(file), path);
      const found = await stat(named).catch(() => undefined);
      if (found?.isFile()) files.add(named);
    }
  }
  return hash.digest('hex');
}
