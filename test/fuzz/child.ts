import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { VoxError } from '#src/errors.js';
import { Random } from '#src/volume/random.js';
import { mutate } from './mutate.js';
import { keepFinding, readBytes, targets } from './targets.js';

// Reads damaged files in its own process, so that its parent notices crashes, hangs and excessive memory.
// Arguments: target, seed, number of the first file, seconds, folder. The file being read is in the folder
// `input`, and its number in `number`. Prints each fault as a line of JSON, then the counts.

/** A line of output. */
export type Line =
  | { readonly number: number; readonly fault: string }
  | { readonly read: number; readonly refused: number };

const [name, seed, first, seconds, folder] = process.argv.slice(2);
const target = targets[name];
const damage = target.damage ?? mutate;
/** More than any parser may hold of files of some KiB. */
const mostMemory = 1 << 30;

const say = (line: Line) => process.stdout.write(`${JSON.stringify(line)}\n`);

function damaged(number: number): Uint8Array {
  const random = new Random(Number(seed), number);
  let bytes = target.seeds[random.integer(target.seeds.length)];
  bytes = damage(bytes, random, target.seeds);
  // Some faults need two.
  return random.integer(3) === 0 ? mutate(bytes, random, target.seeds) : bytes;
}

/** What is wrong with an error; undefined for a refusal that a user understands. */
function faultOf(error: unknown): string | undefined {
  if (error instanceof VoxError && error.message.length > 0 && error.message.length < 20_000)
    return undefined;
  return error instanceof Error ? `${error.name}: ${error.stack}` : `threw ${error}`;
}

const known = new Set<string>();
let read = 0;
let refused = 0;
const end = performance.now() + Number(seconds) * 1000;
for (let number = Number(first); performance.now() < end; number++) {
  const bytes = damaged(number);
  writeFileSync(join(folder, 'number'), String(number));
  try {
    await readBytes(target, bytes, join(folder, 'input'));
    read++;
  } catch (error) {
    const fault = faultOf(error);
    // The same fault again has the same stack.
    if (fault && known.has(fault)) continue;
    if (fault) {
      known.add(fault);
      say({ number, fault });
      keepFinding(name, bytes);
    } else refused++;
  }
  const { maxRSS } = process.resourceUsage();
  if (maxRSS * 1024 > mostMemory) {
    keepFinding(name, bytes);
    say({ number, fault: `the process held ${maxRSS} KiB of memory` });
    break;
  }
}
say({ read, refused });
process.exit();
