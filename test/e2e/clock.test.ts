import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { evaluateArgs, eventsOf, fingerprints, phantoms } from './faults.js';
import { temporaryFolder, voxstream } from './harness.js';

const jumping = { NODE_OPTIONS: `--import=${new URL('./jumpingClock.js', import.meta.url)}` };

test('a clock that jumps changes no result and no duration, and --resume keeps all cases', async () => {
  const dataset = await phantoms(3);
  const expected = join(temporaryFolder(), 'out');
  await voxstream(evaluateArgs(dataset, expected));
  const output = join(temporaryFolder(), 'out');
  const start = performance.now();
  const { code, stdout, stderr } = await voxstream(evaluateArgs(dataset, output, '--json'), jumping);
  const most = (performance.now() - start) / 1000;
  assert.is(code, 0, stderr);
  assert.ok(Number(/the clock jumped (\d+) times/.exec(stderr)?.[1]) > 3, stderr);
  assert.equal(fingerprints(output).results, fingerprints(expected).results);
  const run = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
  const durations = [run.seconds, ...eventsOf(stdout).flatMap(({ seconds }) => seconds ?? [])];
  for (const seconds of durations) assert.ok(seconds >= 0 && seconds < most, `${seconds} of ${most} s`);
  for (const share of Object.values<number>(run.lanes)) assert.ok(share >= 0 && share <= 1, String(share));
  const again = await voxstream(evaluateArgs(dataset, output, '--json', '--resume'), jumping);
  assert.is(eventsOf(again.stdout).filter(({ event }) => event === 'caseSkipped').length, 3, again.stderr);
});

test.run();
