import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';

/** What the control groups of this process allow it; Infinity where they set no limit. */
export interface GroupLimits {
  /** Bytes of memory. */
  readonly memory: number;
  /** Processors' worth of time: 1.5 is one and a half processor. */
  readonly processors: number;
}

/**
 * The limits of this process's control groups (Linux: containers, Slurm, systemd), versions 1 and 2. A limit of an outer
 * group holds for the inner ones, so the least of all counts.
 *
 * @param root Where `/proc` and `/sys` are.
 */
export function groupLimits(root = '/'): GroupLimits {
  const groups = read(join(root, 'proc/self/cgroup'))
    .split('\n')
    .map((line) => /^\d+:([^:]*):(.*)$/.exec(line))
    .filter((match) => match !== null);
  /** The folders of a controller's groups from the inmost to the root; '' is version 2. */
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
    memory: least(memory.map(Number)),
    processors: least(processors.map(([quota, period]) => Number(quota) / Number(period))),
  };
}

/** The least of the numbers above zero: `max`, -1 and what is not there set no limit. */
function least(numbers: readonly number[]): number {
  return Math.min(Number.POSITIVE_INFINITY, ...numbers.filter((number) => number > 0));
}

/** The text of a small file without space around it; empty when it cannot be read. */
export function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

/** The processors this process may use: those it is bound to, and no more than its control groups give it time on. */
export const processors = Math.min(availableParallelism(), Math.ceil(groupLimits().processors));

/** Bytes of memory this process may use: the machine's, or its control group's limit where that is less. */
export function memoryLimit(): number {
  return Math.min(totalmem(), groupLimits().memory);
}
