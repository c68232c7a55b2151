import { join } from 'node:path';
import { writeFileAside } from '../formats/files.js';
import { version } from '../version.js';

/** The facts about a run or a training in run.json, besides the program and the machine. */
export type Provenance = Readonly<Record<string, unknown>>;

/** Writes run.json atomically: the program, the machine, what is known at the start, and the outcome. */
export function writeRunFile(output: string, provenance: Provenance, outcome: Provenance): Promise<void> {
  const run = {
    voxstream: version,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    ...provenance,
    ...outcome,
  };
  return writeFileAside(join(output, 'run.json'), `${JSON.stringify(run, null, 2)}\n`);
}
