import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Line } from './child.js';
import { keepFinding, targets } from './targets.js';

// Reads damaged files with every parser of foreign bytes:
//
//   npm run fuzz -- [--minutes 1] [--seed N] [--target NAME]
//
// The same seed gives the same files. A file that crashes or hangs a parser, or that ends in an unexpected
// error, is kept in test/fixtures/fuzz. From then on, test/fuzz/fuzz.test.ts reads it.

/** Seconds that one file may take, on a busy machine too. */
const hangsAfter = 60;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    target: { type: 'string' },
  },
});
const chosen = Object.keys(targets).filter((name) => values.target === undefined || name === values.target);
if (chosen.length === 0) throw new Error(`The targets are ${Object.keys(targets).join(', ')}.`);
const seconds = (Number(values.minutes) * 60) / chosen.length;
console.log(`seed ${values.seed}, ${seconds.toFixed(1)} s for each of ${chosen.length} parsers`);

let failed = 0;
for (const name of chosen) if (!(await fuzz(name))) failed++;
console.log(`${chosen.length - failed} passed, ${failed} failed, 0 skipped`);
process.exitCode = failed > 0 ? 1 : 0;

/** Fuzzes one target. After a crash, a new process continues with the next file. */
async function fuzz(target: string): Promise<boolean> {
  const end = performance.now() + seconds * 1000;
  const faults: string[] = [];
  const counts = { read: 0, refused: 0 };
  let first = 0;
  do {
    const folder = mkdtempSync(join(tmpdir(), 'voxstream-fuzz-'));
    const { lines, ending } = await child(
      target,
      first,
      Math.max(1, (end - performance.now()) / 1000),
      folder,
    );
    for (const line of lines) {
      if ('fault' in line) faults.push(`file ${line.number}: ${line.fault}`);
      else {
        counts.read += line.read;
        counts.refused += line.refused;
      }
    }
    first = Number(readFileSync(join(folder, 'number'), 'utf8')) + 1;
    if (ending) {
      faults.push(`file ${first - 1}: ${ending}`);
      keepFinding(target, readFileSync(join(folder, 'input', targets[target].name)));
    }
    rmSync(folder, { recursive: true, force: true });
  } while (performance.now() < end && faults.length < 20);
  const files = `${counts.read} files read, ${counts.refused} refused`;
  console.log(`${faults.length > 0 ? 'FAIL' : ' ok '}  ${target}  ${files}`);
  for (const fault of faults) console.log(`      ${fault.slice(0, 2000)}`);
  return faults.length === 0;
}

/** Runs one process. It keeps the files that it finds fault with, unless they end it. */
async function child(target: string, first: number, time: number, folder: string) {
  const script = fileURLToPath(new URL('./child.js', import.meta.url));
  const args = [target, String(values.seed), String(first), String(time), folder];
  const started = spawn(process.execPath, [
    '--enable-source-maps',
    '--max-old-space-size=512',
    script,
    ...args,
  ]);
  let output = '';
  let errors = '';
  started.stdout.on('data', (chunk) => (output += chunk));
  started.stderr.on('data', (chunk) => (errors += chunk));
  let hangs = false;
  let seen = '';
  let since = performance.now();
  const watch = setInterval(() => {
    // Not by the file's time, because the system's clock may jump.
    const number = existsSync(join(folder, 'number')) ? readFileSync(join(folder, 'number'), 'utf8') : '';
    if (number !== seen) since = performance.now();
    seen = number;
    hangs = performance.now() - since > hangsAfter * 1000;
    if (hangs) started.kill('SIGKILL');
  }, 1000);
  const [code, signal] = await new Promise<[number | null, string | null]>((done) => {
    started.on('close', (...ended) => done(ended));
  });
  clearInterval(watch);
  const lines = output
    .split('\n')
    .filter(Boolean)
    .map((line): Line => JSON.parse(line));
  const whole = lines.some((line) => 'read' in line);
  if (whole) return { lines };
  const why = hangs ? `it took more than ${hangsAfter} s` : `the process ended with ${signal ?? code}`;
  return { lines, ending: `${why}\n${errors.slice(-1500)}` };
}
