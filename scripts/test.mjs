// Builds the tests and runs each test file in a process of its own: `npm test`, or `npm test -- onnx` for the files
// whose path contains "onnx". Ends with the line `N passed, N failed`.
import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const filters = process.argv.slice(2);
rmSync('build/test', { recursive: true, force: true });
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'test/tsconfig.json'], {
  stdio: 'inherit',
});

const files = readdirSync('build/test', { recursive: true })
  .filter((file) => file.endsWith('.test.js'))
  .filter((file) => filters.length === 0 || filters.some((part) => file.includes(part)))
  .sort();

let passed = 0;
let failed = 0;
let skipped = 0;
for (const file of files) {
  const { output, code } = await runFile(join('build/test', file));
  const total = Number(/Total:\s+(\d+)/.exec(output)?.[1] ?? 0);
  const good = Number(/Passed:\s+(\d+)/.exec(output)?.[1] ?? 0);
  passed += good;
  skipped += Number(/Skipped:\s+(\d+)/.exec(output)?.[1] ?? 0);
  const bad = Math.max(total - good, code === 0 && total > 0 ? 0 : 1);
  failed += bad;
  console.log(`${bad ? 'FAIL' : ' ok '}  ${file}  ${good}/${total}`);
  if (bad) console.log(output);
}
if (skipped > 0)
  console.log(`${skipped} skipped: they need ../shared, a browser or WebGPU, which is not here`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed || passed === 0 ? 1 : 0;

function runFile(path) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--enable-source-maps', path], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // Models rewritten by an earlier build must not stand in for what this one makes.
      env: { ...process.env, XDG_CACHE_HOME: join(process.cwd(), 'build/test/.cache') },
    });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.on('close', (code) => resolve({ output, code }));
  });
}
