import { spawn } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { linux, testNeeding } from '../needs.js';
import { diskTest, evaluateArgs, fingerprints, phantoms, voxstreamActing } from './faults.js';
import { cli, type Ended, root, temporaryFolder, voxstream } from './harness.js';

const dataset = await phantoms(2);
const expected = join(temporaryFolder(), 'out');
await voxstream(evaluateArgs(dataset, expected), { XDG_CACHE_HOME: temporaryFolder() });
const results = (output: string) => fingerprints(output).results;

/** Runs the command line in a shell, after a command that restricts it. */
function restricted(before: string, args: readonly string[], after = ''): Promise<Ended> {
  const script = `${before}; exec "$0" "$@" ${after}`;
  const child = spawn('bash', ['-c', script, process.execPath, cli, ...args], { cwd: root });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  return new Promise((done) => {
    child.on('close', (code, signal) => done({ code, signal, stdout, stderr }));
  });
}

testNeeding(linux, 'a process that may open 64 files says so', async () => {
  const output = join(temporaryFolder(), 'out');
  const { code, stderr } = await restricted('ulimit -n 64', evaluateArgs(dataset, output));
  assert.is(code, 1);
  assert.is(
    stderr,
    'voxstream: this process may open only 64 files, and voxstream needs 192 or more. Raise the limit: ulimit ' +
      '-n 1024\n',
  );
  assert.not.ok(existsSync(output));
});

testNeeding(linux, 'a process that may open 256 files gives the same results', async () => {
  const output = join(temporaryFolder(), 'out');
  const { code, stderr } = await restricted('ulimit -n 256', evaluateArgs(dataset, output));
  assert.is(code, 0, stderr);
  assert.equal(results(output), results(expected));
});

testNeeding(linux, 'a run whose standard output or error is closed gives the same results', async () => {
  for (const closed of ['>&-', '2>&-', '>&- 2>&-', '<&-']) {
    const output = join(temporaryFolder(), 'out');
    const { code, stderr } = await restricted(':', evaluateArgs(dataset, output), closed);
    assert.is(code, 0, `${closed}: ${stderr}`);
    assert.equal(results(output), results(expected), closed);
  }
});

test('a storm of SIGINT ends the run, and --resume completes it', async () => {
  const output = join(temporaryFolder(), 'out');
  const storm = Array.from({ length: 50 }, () => ({ at: { event: 'start' }, signal: 'SIGINT' }) as const);
  const { code, signal, stderr } = await voxstreamActing(evaluateArgs(dataset, output), storm);
  assert.ok(code === 130 || signal === 'SIGINT', `${code} ${signal} ${stderr}`);
  const again = await voxstream([...evaluateArgs(dataset, output), '--resume']);
  assert.is(again.code, 0, again.stderr);
  assert.equal(results(output), results(expected));
});

test('processes that make the same form of a model at once give the same results', async () => {
  // A form that another process kept in the shared temporary folder would be used.
  const env = { XDG_CACHE_HOME: temporaryFolder(), TMPDIR: temporaryFolder() };
  const outputs = Array.from({ length: 3 }, () => join(temporaryFolder(), 'out'));
  const ended = await Promise.all(outputs.map((output) => voxstream(evaluateArgs(dataset, output), env)));
  for (const [i, { code, stderr }] of ended.entries()) {
    assert.is(code, 0, stderr);
    assert.equal(results(outputs[i]), results(expected));
  }
  const kept = readdirSync(join(env.XDG_CACHE_HOME, 'voxstream/rewritten'));
  assert.equal(kept.map((name) => name.split('.')[1]).sort(), ['json', 'onnx']);
});

diskTest('a run whose cache folder is on a full disk gives the same results', 1, async (disk) => {
  try {
    writeFileSync(join(disk, 'full'), Buffer.alloc(2 << 20));
  } catch {
    // The disk is full now.
  }
  const output = join(temporaryFolder(), 'out');
  const env = { XDG_CACHE_HOME: disk, TMPDIR: temporaryFolder() };
  const { code, stderr } = await voxstream(evaluateArgs(dataset, output), env);
  assert.is(code, 0, stderr);
  assert.equal(results(output), results(expected));
  assert.ok(existsSync(join(env.TMPDIR, `voxstream-rewritten-${process.getuid?.()}`)));
});

test.run();
