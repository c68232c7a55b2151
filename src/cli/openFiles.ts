import { readFileSync } from 'node:fs';

/** With fewer open files, a run of few threads fails where it loads some module or thread. */
export const minOpenFiles = 192;

/**
 * How many files this process may open. Infinity where there is no limit, and on systems other than Linux,
 * which do not have the file that states it.
 */
export function maxOpenFiles(): number {
  try {
    const limit = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return limit === undefined || limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EMFILE' ? 0 : Number.POSITIVE_INFINITY;
  }
}
