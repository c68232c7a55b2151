import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { root } from './e2e/harness.js';

const imports = `import { test } from 'uvu'; import { testNeeding } from '../needs.js';`;

/**
 * Runs scripts/testFiles.mjs on a folder with these test files. The folder is inside build/, where imports
 * resolve.
 */
function runFiles(files: Readonly<Record<string, string>>, ...filters: string[]) {
  const folder = mkdtempSync(join(root, 'build/test/runner-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(folder, `${name}.test.js`), `${imports}\n${text}\ntest.run();`);
    }
    const { status, stdout } = spawnSync(process.execPath, ['scripts/testFiles.mjs', folder, ...filters], {
      cwd: root,
      encoding: 'utf8',
    });
    const lines = stdout.trim().split('\n');
    return { status, stdout, last: lines.at(-1) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const passes = `test('passes', () => {});`;
const skips = `testNeeding('../shared/models', 'reads a large model', () => {});`;

test('a file in which all tests are skipped is not a failure, and the tests are listed with what they need', () => {
  const { status, stdout, last } = runFiles({ passes, skips });
  assert.is(last, '1 passed, 0 failed, 1 skipped');
  assert.is(status, 0);
  assert.match(
    stdout,
    /^Skipped:\n {2}skips\.test\.js: reads a large model \(needs \.\.\/shared\/models\)$/m,
  );
});

test('a test that fails is counted, and the output of its file is shown', () => {
  const { status, stdout, last } = runFiles({
    passes,
    fails: `${passes} test('fails', () => { throw new Error('the reason'); });`,
  });
  assert.is(last, '2 passed, 1 failed, 0 skipped');
  assert.is(status, 1);
  assert.match(stdout, /the reason/);
});

test('a file that ends early, without tests or by a signal is a failure', () => {
  for (const text of ['process.exit(0);', '', `${passes} process.kill(process.pid, 'SIGKILL');`]) {
    const { status, last } = runFiles({ passes, text });
    assert.is(last, '1 passed, 1 failed, 0 skipped', text);
    assert.is(status, 1);
  }
});

test('filters choose files by a part of their paths; without a match the run fails', () => {
  assert.is(runFiles({ passes, fails: 'process.exit(1);' }, 'pass').last, '1 passed, 0 failed, 0 skipped');
  assert.is(runFiles({ passes }, 'no such file').status, 1);
});

test.run();
