import { join } from 'node:path';
import { writeFileAside } from '../formats/files.js';
import { version } from '../version.js';

/** What is told of a run or a training, besides the program and the machine. */
export type Provenance = Readonly<Record<string, unknown>>;

/** Writes run.json, whole or not at all: the program, the machine, what is known at the start, and how it ended. */
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
