import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '#src/volume/random.js';
import { actAtEvents } from './actAtEvents.js';
import { evaluateArgs, eventsOf, fingerprints, phantoms, voxstreamActing } from './faults.js';
import { readCsv, start, temporaryFolder, voxstream } from './harness.js';

const cases = 12;

/** Runs with --resume into a folder, and kills the process some milliseconds after an event. */
async function killAfter(dataset: string, output: string, nth: number, delay: number): Promise<boolean> {
  const kill = { at: {}, nth, signal: 'SIGKILL', delay } as const;
  const { signal } = await voxstreamActing(evaluateArgs(dataset, output, '--resume'), [kill]);
  return signal === 'SIGKILL';
}

test('a run that is killed at random moments and resumed gives the results of an undisturbed run', async () => {
  const dataset = await phantoms(cases);
  const calm = temporaryFolder();
  const { code, stdout, stderr } = await voxstream(evaluateArgs(dataset, calm, '--json'));
  assert.is(code, 0, stderr);
  const events = eventsOf(stdout).length;
  const expected = fingerprints(calm);

  const random = new Random(11);
  let kills = 0;
  for (let round = 0; round < 3; round++) {
    const output = join(temporaryFolder(), 'out');
    // The first kill of each round is in another third of the run, the second anywhere in the rest.
    const first = (round + random.uniform()) / 3;
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
  // A run may end before the last milliseconds have passed.
  assert.ok(kills >= 4, `${kills} of 6 runs were killed`);
});

test('SIGTERM ends a run with exit code 130 and without partial files, and --resume continues it', async () => {
  const dataset = await phantoms(8);
  const output = join(temporaryFolder(), 'out');
  const { code, stdout, stderr } = await voxstreamActing(evaluateArgs(dataset, output), [
    { at: { event: 'caseDone' }, signal: 'SIGTERM' },
  ]);
  assert.is(code, 130, stderr);
  assert.match(stderr, /Stopping: no new cases are started, and open ones are abandoned/);
  const events = eventsOf(stdout);
  const end = events.at(-1)!;
  assert.equal([end.event, end.interrupted], ['end', true]);
  const done = events.filter(({ event }) => event === 'caseDone').length;
  assert.is(end.done, done);
  const { all } = fingerprints(output);
  assert.not.ok(
    all.some((name) => name.endsWith('.partial') || name.endsWith('lock')),
    String(all),
  );
  assert.is(readCsv(join(output, 'metrics.csv')).length, done);
  const resumed = await voxstream(evaluateArgs(dataset, output, '--resume'));
  assert.is(resumed.code, 0, resumed.stderr);
  assert.match(resumed.stdout, new RegExp(`${8 - done} case\\(s\\) done, ${done} already finished`));
  assert.is(readCsv(join(output, 'metrics.csv')).length, 8);
});

test('a second Ctrl-C ends the run at once', async () => {
  const dataset = await phantoms(8);
  const interrupt = { at: { event: 'step' }, signal: 'SIGINT' } as const;
  const { signal, stderr } = await voxstreamActing(evaluateArgs(dataset, join(temporaryFolder(), 'out')), [
    interrupt,
    { ...interrupt },
  ]);
  assert.is(signal, 'SIGINT', stderr);
});

test('a second run into the folder of a run in progress is refused and does not disturb it', async () => {
  const dataset = await phantoms(6);
  const output = join(temporaryFolder(), 'out');
  const secondHasEnded = join(temporaryFolder(), 'ended');
  const first = start(
    evaluateArgs(dataset, output, '--json'),
    actAtEvents([{ at: { event: 'start' }, waitFor: secondHasEnded }]),
  );
  const started = new Promise((done) => first.child.stdout.once('data', done));
  await Promise.race([started, first.ended]);
  const refused = await voxstream(evaluateArgs(dataset, output, '--resume'));
  writeFileSync(secondHasEnded, '');
  const { code, stderr } = await first.ended;
  assert.is(code, 0, stderr);
  assert.is(refused.code, 1);
  assert.match(
    refused.stderr,
    /in use by another run \(process \d+ on .*, since .*\)\. Wait until it ends, or give this run another folder/,
  );
  assert.is(readCsv(join(output, 'metrics.csv')).length, 6);
});

test.run();
