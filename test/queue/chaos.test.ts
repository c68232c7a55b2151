import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { actAtEvents } from '../e2e/actAtEvents.js';
import { readCsv, start, temporaryFolder, voxstream } from '../e2e/harness.js';
import { testNeeding } from '../needs.js';
import { cheapRun, resultsIn } from './cheapRun.js';
import { redisServer, startRedis } from './redisServer.js';

testNeeding(
  redisServer,
  'a worker and the server are killed, a worker comes late: nothing is lost, and nothing is there twice',
  async () => {
    const [root, { pipeline }, server] = [temporaryFolder(), await cheapRun(60), await startRedis()];
    const [single, queued, go] = ['single', 'queued', 'go'].map((name) => join(root, name));
    const alone = voxstream(['run', pipeline, '-o', single, '--quiet']);
    const submitted = await voxstream([
      'submit',
      pipeline,
      '--name',
      'chaos',
      '-o',
      queued,
      '--queue',
      server.url,
    ]);
    assert.is(submitted.code, 0, submitted.stderr);

    const args = [
      'work',
      '--queue',
      server.url,
      '--exit-when-done',
      '--json',
      '--stalled-after',
      '3',
      '--in-flight',
      '2',
    ];
    // It dies while it has cases open; the other one waits for that, so that neither does everything.
    const victim = start(args, actAtEvents([{ at: { event: 'caseStart' }, nth: 9, signal: 'SIGKILL' }]));
    const survivor = start(args, actAtEvents([{ at: { event: 'caseDone' }, nth: 9, waitFor: go }]));
    assert.is((await victim.ended).signal, 'SIGKILL');
    await server.kill();
    writeFileSync(go, '');
    await sleep(300);
    await server.start();
    const late = start(args);
    const [first, second] = await Promise.all([survivor.ended, late.ended]);
    for (const { code, stderr } of [first, second]) assert.ok(code === 0 || code === 2, stderr);

    assert.is((await alone).code, 2);
    assert.equal(resultsIn(queued), resultsIn(single));
    const done = readCsv(join(queued, 'metrics.csv')).map((row) => row['case']);
    const failed = readCsv(join(queued, 'failures.csv')).map((row) => row['case']);
    const all = Array.from({ length: 60 }, (_, i) => `ct_${String(i).padStart(3, '0')}`);
    assert.equal([...done, ...failed].sort(), all);
    const events = (first.stdout + second.stdout).split('\n').filter((line) => line.includes('"caseDone"'));
    assert.ok(events.length < 54, 'the worker that died did some of the cases');
    assert.match(readFileSync(join(queued, 'run.json'), 'utf8'), /"queue": "chaos"/);
    await server.kill();
  },
);

test.run();
