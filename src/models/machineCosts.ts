import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { partialSuffix } from '../formats/aside.js';
import { cacheFolder } from '../machine.js';
import { ortHere } from '../onnx/ortHere.js';
import { type LayerCosts, usualCosts } from '../onnx/slices/costs.js';
import { isPrivateFile, makePrivateFolder } from './privateFolder.js';

/** Increase this when costs are measured in another way. */
const revision = 1;

/** Costs beyond these multiples of the usual ones are errors of measurement. */
const trusted = [1 / 4, 4] as const;

/**
 * What parts of a layer cost on this machine. They are measured when they are first needed, and kept in a
 * folder for the same processor, block of channels and version of ONNX Runtime, so that a model has one form
 * on a machine. Where they cannot be measured and kept, they are `usualCosts`.
 *
 * @param block The machine's `channelBlock`.
 */
export async function machineCosts(block: number, folder = cacheFolder()): Promise<LayerCosts> {
  const kept = await keptCosts(block, folder);
  if (kept) return kept;
  try {
    const { measureCosts } = await import('../onnx/measureCosts.js');
    const costs = plausible(await measureCosts());
    await makePrivateFolder(folder);
    return await keep(costs, block, folder);
  } catch {
    return usualCosts;
  }
}

/** Keeps costs and returns them. If another process kept its own meanwhile, those are returned. */
async function keep(costs: LayerCosts, block: number, folder: string): Promise<LayerCosts> {
  const file = fileIn(folder);
  const temporary = `${file}.${process.pid}-${randomBytes(4).toString('hex')}${partialSuffix}`;
  const content = `${JSON.stringify({ machine: await machineKey(block), costs }, null, 2)}\n`;
  try {
    await writeFile(temporary, content, { mode: 0o600 });
    await link(temporary, file);
    return costs;
  } catch {
    const theirs = await keptCosts(block, folder);
    if (theirs) return theirs;
    // The file is damaged or of another machine, or the file system has no hard links.
    await rename(temporary, file);
    return costs;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** The costs that `machineCosts` returns without measuring; undefined if they have not been measured yet. */
export async function keptCosts(block: number, folder = cacheFolder()): Promise<LayerCosts | undefined> {
  // Slices are not used without blocks.
  if (block === 1) return usualCosts;
  const file = fileIn(folder);
  if (!(await isPrivateFile(file))) return undefined;
  const { machine, costs } = Object(parse(await readFile(file, 'utf8').catch(() => '')));
  return machine === (await machineKey(block)) && isCosts(costs) ? costs : undefined;
}

/** Costs rounded to whole products, within the limits of what is trusted. */
export function plausible(measured: LayerCosts): LayerCosts {
  const one = (name: keyof LayerCosts) => {
    const [least, most] = trusted.map((factor) => factor * usualCosts[name]);
    const value = measured[name];
    return Number.isNaN(value) ? usualCosts[name] : Math.round(Math.min(most, Math.max(least, value)));
  };
  return { output: one('output'), cut: one('cut'), combine: one('combine') };
}

const fileIn = (folder: string) => join(folder, 'costs.json');

async function machineKey(block: number): Promise<string> {
  const { versions } = await ortHere();
  return JSON.stringify([cpus()[0]?.model, block, versions, revision]);
}

function isCosts(value: unknown): value is LayerCosts {
  const { output, cut, combine } = Object(value);
  return [output, cut, combine].every((one) => typeof one === 'number' && one > 0);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
