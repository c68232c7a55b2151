// Runs every test file of a folder, each in its own process: `node scripts/testFiles.mjs FOLDER [FILTER...]`,
// where a filter is a part of a file's path. Lists the tests that were skipped, and ends with `N passed, N
// failed, N skipped`. Exits with 1 if a test failed or no file matched. VOXSTREAM_TEST_JOBS sets how many
// files run at once.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';

const [folder, ...filters] = process.argv.slice(2);
// Most tests wait for one thread or one file: with two files at once, two processors are idle a fifth of the
// time. More than three need too much memory.
const jobs = Number(process.env.VOXSTREAM_TEST_JOBS ?? Math.min(3, availableParallelism() + 1));
// A test that hangs must not hang the whole run.
const hangsAfter = 30 * 60_000;

const files = readdirSync(folder, { recursive: true })
  .filter((file) => file.endsWith('.test.js'))
  .filter((file) => filters.length === 0 || filters.some((part) => file.includes(part)))
  .sort();

let passed = 0;
let failed = 0;
let skipped = 0;
const skippedTests = [];
const waiting = [...files];
await Promise.all(
  Array.from({ length: jobs }, async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift())
      report(file, await run(file));
  }),
);
if (skippedTests.length > 0) console.log(['Skipped:', ...skippedTests.sort()].join('\n  '));
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || files.length === 0 ? 1 : 0;

/** Adds a file's counts (uvu prints them) to the totals. A file that ran and skipped no test is a failure. */
function report(file, { output, code, seconds }) {
  const count = (what) => Number(new RegExp(`^ {2}${what}:\\s+(\\d+)$`, 'm').exec(output)?.[1] ?? 0);
  const [total, good, left] = ['Total', 'Passed', 'Skipped'].map(count);
  const bad = Math.max(total - good, code === 0 && total + left > 0 ? 0 : 1);
  passed += good;
  failed += bad;
  skipped += left;
  for (const [, test] of output.matchAll(/^SKIPPED (.+)$/gm)) skippedTests.push(`${file}: ${test}`);
  const counts = `${good}/${total}${left > 0 ? `, ${left} skipped` : ''}`;
  console.log(`${bad > 0 ? 'FAIL' : ' ok '}  ${file}  ${counts}  ${seconds.toFixed(1)} s`);
  if (bad > 0) console.log(output);
}

function run(file) {
  return new Promise((done) => {
    const start = performance.now();
    const child = spawn(process.execPath, ['--enable-source-maps', join(folder, file)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // Models that an earlier build rewrote must not hide a fault of this one.
      env: {
        ...process.env,
        NO_COLOR: '1',
        XDG_CACHE_HOME: resolve(folder, '.cache'),
        XDG_CONFIG_HOME: resolve(folder, '.config'),
        // The command line starts some hundred times. Node 22.1 and later keep its compiled code.
        NODE_COMPILE_CACHE: resolve(folder, '.code'),
      },
      timeout: hangsAfter,
      killSignal: 'SIGKILL',
    });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.on('close', (code, signal) => {
      if (signal) output += `\n${file} was ended by ${signal}.\n`;
      done({ output, code, seconds: (performance.now() - start) / 1000 });
    });
  });
}
