import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';

export { cacheFolder } from './cacheFolder.js';

/** The limits of this process's control groups; Infinity where there is none. */
export interface GroupLimits {
  /** In bytes. */
  readonly memory: number;
  /** Processor time as a number of processors, e.g. 1.5. */
  readonly processors: number;
}

/**
 * Reads the limits of this process's control groups (Linux: containers, Slurm, systemd), versions 1 and 2.
 * The limit of an outer group also applies to the groups inside it, so the smallest limit counts.
 *
 * @param root The folder that holds `proc` and `sys`.
 */
export function groupLimits(root = '/'): GroupLimits {
  const groups = read(join(root, 'proc/self/cgroup'))
    .split('\n')
    .map((line) => /^\d+:([^:]*):(.*)$/.exec(line))
    .filter((match) => match !== null);
  /** The folders of a controller's groups, from the innermost to the root; '' is version 2. */
  const folders = (controller: string) => {
    const path = groups.find(([, controllers]) => controllers.split(',').includes(controller))?.[2] ?? '/';
    const names = path.split('/').filter(Boolean);
    const paths = [names, ...names.map((_, i) => names.slice(0, names.length - 1 - i))];
    return paths.map((parts) => join(root, 'sys/fs/cgroup', controller, ...parts));
  };
  const memory = [
    ...folders('').map((folder) => read(join(folder, 'memory.max'))),
    ...folders('memory').map((folder) => read(join(folder, 'memory.limit_in_bytes'))),
  ];
  const processors = [
    ...folders('').map((folder) => read(join(folder, 'cpu.max')).split(' ')),
    ...folders('cpu').map((folder) =>
      ['quota', 'period'].map((what) => read(join(folder, `cpu.cfs_${what}_us`))),
    ),
  ];
  return {
    memory: smallest(memory.map(Number)),
    processors: smallest(processors.map(([quota, period]) => Number(quota) / Number(period))),
  };
}

/** The smallest of the numbers above zero: `max`, -1 and missing values set no limit. */
function smallest(numbers: readonly number[]): number {
  return Math.min(Number.POSITIVE_INFINITY, ...numbers.filter((number) => number > 0));
}

/** The trimmed text of a small file; empty when it cannot be read. */
export function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

/**
 * The processors this process may use: those it is bound to, limited by the time that its control groups
 * allow.
 */
export const processors = Math.min(availableParallelism(), Math.ceil(groupLimits().processors));

/**
 * Bytes of memory this process may use: the machine's memory, or the control group's limit if that is
 * smaller.
 */
export function memoryLimit(): number {
  return Math.min(totalmem(), groupLimits().memory);
}
