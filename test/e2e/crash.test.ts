import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '#src/volume/random.js';
import { evaluateArgs, fingerprints, phantoms, startWithEvents } from './faults.js';
import { readCsv, temporaryFolder, voxstream } from './harness.js';

const cases = 12;

/** Runs with --resume into a folder, and kills the process a moment after so many events. */
async function killAfter(
  dataset: string,
  output: string,
  events: number,
  milliseconds: number,
): Promise<boolean> {
  let seen = 0;
  const run = startWithEvents(evaluateArgs(dataset, output, '--resume'), () => {
    if (++seen === events) setTimeout(() => run.child.kill('SIGKILL'), milliseconds);
  });
  return (await run.ended).signal === 'SIGKILL';
}

test('a run that is killed at ten random moments and resumed gives what an undisturbed one gives', async () => {
  const dataset = await phantoms(cases);
  const calm = temporaryFolder();
  let events = 0;
  const run = startWithEvents(evaluateArgs(dataset, calm), () => events++);
  const { code, stderr } = await run.ended;
  assert.is(code, 0, stderr);
  const expected = fingerprints(calm);

  const random = new Random(11);
  let kills = 0;
  for (let round = 0; round < 5; round++) {
    const output = join(temporaryFolder(), 'out');
    // Spread over the run: the first kill in each of five fifths of it, the second anywhere in what it left.
    const first = (round + random.uniform()) / 5;
    for (const share of [first, random.uniform() * (1 - first)]) {
      const after = 1 + Math.floor(share * (events - 2));
      if (await killAfter(dataset, output, after, random.uniform(0, 10))) kills++;
    }
    const resumed = await voxstream(evaluateArgs(dataset, output, '--resume'));
    assert.is(resumed.code, 0, resumed.stderr);
    const found = fingerprints(output);
    assert.equal(found.results, expected.results, `killed after ${first} of the run`);
    assert.equal(found.all, expected.all, 'no file is left over, and none is missing');
    assert.equal(
      readCsv(join(output, 'metrics.csv')).map((row) => row.case),
      readCsv(join(calm, 'metrics.csv')).map((row) => row.case),
    );
    assert.not.ok(existsSync(join(output, '.voxstream/run.lock')));
  }
  // One that ends within its last milliseconds is not killed.
  assert.ok(kills >= 8, `${kills} of 10 runs were killed`);
});

test('SIGTERM ends a run with exit code 130 and no half file, and --resume goes on', async () => {
  const dataset = await phantoms(8);
  const output = join(temporaryFolder(), 'out');
  let told = false;
  const run = startWithEvents(evaluateArgs(dataset, output), ({ event }) => {
    if (event === 'caseDone' && !told) told = run.child.kill('SIGTERM');
  });
  const { code, stdout, stderr } = await run.ended;
  assert.is(code, 130, stderr);
  assert.match(stderr, /Stopping: no new cases are begun, those that are open are given up/);
  const end = JSON.parse(stdout.trim().split('\n').at(-1)!);
  assert.equal([end.event, end.interrupted], ['end', true]);
  const { all } = fingerprints(output);
  assert.not.ok(
    all.some((name) => name.endsWith('.partial') || name.endsWith('lock')),
    String(all),
  );
  assert.is(readCsv(join(output, 'metrics.csv')).length, end.done);
  const resumed = await voxstream(evaluateArgs(dataset, output, '--resume'));
  assert.is(resumed.code, 0, resumed.stderr);
  assert.match(resumed.stdout, new RegExp(`${8 - end.done} case\\(s\\) done, ${end.done} finished before`));
  assert.is(readCsv(join(output, 'metrics.csv')).length, 8);
});

test('a second Ctrl-C ends the run at once', async () => {
  const dataset = await phantoms(8);
  const run = startWithEvents(evaluateArgs(dataset, join(temporaryFolder(), 'out')), ({ event }) => {
    if (event !== 'step') return;
    run.child.kill('SIGINT');
    setTimeout(() => run.child.kill('SIGINT'), 20);
  });
  const { code, signal } = await run.ended;
  // By the signal, for which a shell says 130 too, unless the first had ended it by then.
  assert.ok(signal === 'SIGINT' || code === 130, `${code} ${signal}`);
});

test('a second run into a folder in which one is at work is refused, and does not disturb it', async () => {
  const dataset = await phantoms(6);
  const output = join(temporaryFolder(), 'out');
  let refused: Awaited<ReturnType<typeof voxstream>> | undefined;
  const run = startWithEvents(evaluateArgs(dataset, output), async ({ event }) => {
    if (event !== 'start') return;
    // Held until the second has been told.
    run.child.kill('SIGSTOP');
    refused = await voxstream(evaluateArgs(dataset, output, '--resume'));
    run.child.kill('SIGCONT');
  });
  const { code, stderr } = await run.ended;
  assert.is(code, 0, stderr);
  assert.is(refused?.code, 1);
  assert.match(
    refused?.stderr ?? '',
    /in use by another run \(process \d+ on .*, since .*\)\. Wait until it ends, or give this run another folder/,
  );
  assert.is(readCsv(join(output, 'metrics.csv')).length, 6);
});

test.run();
