import { open, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { OptionError } from '../errors.js';
import { makeFolder, writeFault } from '../formats/aside.js';

/**
 * Takes a run's folder for this process; two runs would write over each other. A lock whose process is gone (killed, for
 * instance) is taken over. Returns what gives it back. Throws OptionError when another run holds it.
 */
export async function lockFolder(output: string): Promise<() => Promise<void>> {
  const folder = join(output, '.voxstream');
  const file = join(folder, 'lock');
  const mine = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  try {
    await makeFolder(folder);
    for (let attempt = 0; ; attempt++) {
      try {
        const handle = await open(file, 'wx');
        await handle.writeFile(JSON.stringify(mine));
        await handle.close();
        return () => rm(file, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt > 2) throw error;
        const holder = await readHolder(file);
        if (holder && (holder.host !== mine.host || isAlive(holder.pid))) {
          throw new OptionError(
            `Another run (process ${holder.pid} on ${holder.host}, since ${holder.since}) writes to ${output}. Wait for it, or ` +
              `give this run another folder with --set output=…. If it is gone for certain, delete ${file}.`,
          );
        }
        await rm(file, { force: true });
      }
    }
  } catch (error) {
    throw error instanceof OptionError ? error : writeFault(file, error);
  }
}

async function readHolder(file: string): Promise<{ pid: number; host: string; since: string } | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
