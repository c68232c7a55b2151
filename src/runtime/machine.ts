import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';

/** The processors this process may use. */
export const processors = availableParallelism();

/** Bytes of memory this process may use: the machine's, or its container's limit (cgroup 1 or 2) where that is less. */
export function memoryLimit(): number {
  const limits = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes'].map((file) => {
    try {
      return Number(readFileSync(file, 'utf8'));
    } catch {
      return Number.NaN;
    }
  });
  return Math.min(totalmem(), ...limits.filter((bytes) => bytes > 0));
}
