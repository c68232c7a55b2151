import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type LockOptions, lockFolder } from '#src/pipeline/lock.js';
import { root, temporaryFolder } from '../e2e/harness.js';

/** The shortest times that the lock accepts. */
const short = { stale: 2000, update: 1000 };
/** Renews the lock as often, but keeps it also if a busy machine stops this process for a while. */
const steady = { ...short, stale: 60_000 };

/**
 * Waits for a line of input, locks the folder, prints "won" or the error, and keeps the lock until the input
 * ends.
 */
const contender = `
  import { once } from 'node:events';
  import { lockFolder } from '#src/pipeline/lock.js';
  console.log('ready');
  await once(process.stdin, 'data');
  try {
    const lock = await lockFolder(process.argv[1], JSON.parse(process.argv[2]));
    console.log('won');
    process.stdin.resume();
    await once(process.stdin, 'end');
    await lock.release();
  } catch (error) {
    console.log(error.name + ': ' + error.message);
    process.exit();
  }
`;

/**
 * Starts this many processes, lets all of them lock a folder at once, and returns their output and the
 * processes.
 */
async function race(folder: string, count: number, options: LockOptions = {}) {
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', contender, folder, JSON.stringify(options)], {
      cwd: root,
      stdio: ['pipe', 'pipe', 'inherit'],
    }),
  );
  const outputs = children.map((child) => child.stdout.setEncoding('utf8')[Symbol.asyncIterator]());
  const next = () => Promise.all(outputs.map(async (output) => String((await output.next()).value).trim()));
  assert.equal([...new Set(await next())], ['ready']);
  for (const child of children) child.stdin.write('go\n');
  const answers = await next();
  const winner = children[answers.indexOf('won')];
  return { answers, winner };
}

/** Creates the lock that a run on another machine, or a killed run, would leave in a folder. */
function leaveLock(folder: string, holder: object | undefined, ageSeconds: number): string {
  const lock = join(folder, '.voxstream/run.lock');
  mkdirSync(lock, { recursive: true });
  const time = Date.now() / 1000 - ageSeconds;
  utimesSync(lock, time, time);
  if (holder) writeFileSync(join(folder, '.voxstream/holder.json'), JSON.stringify(holder));
  return lock;
}

async function refused(folder: string, message: RegExp, options?: LockOptions): Promise<void> {
  const error = await lockFolder(folder, options).then(
    () => assert.unreachable('the folder was locked'),
    (error) => error,
  );
  assert.is(error.name, 'OptionError');
  assert.match(error.message, message);
}

const elsewhere = {
  pid: 1,
  host: 'pod-a',
  since: '2026-01-02T03:04:05.000Z',
  space: 'boot pid:[1]',
  started: '7',
};
test('of 20 processes that start at once in one folder, one gets it and 19 are rejected', async () => {
  const folder = temporaryFolder();
  const { answers, winner } = await race(folder, 20);
  assert.is(answers.filter((answer) => answer === 'won').length, 1, answers.join('\n'));
  for (const answer of answers) {
    if (answer === 'won') continue;
    assert.match(
      answer,
      /^OptionError: .* is in use by another run .*Wait until it ends, or give this run another/,
    );
  }
  winner.stdin.end();
  await once(winner, 'exit');
  const lock = await lockFolder(folder);
  await lock.release();
  assert.not.ok(existsSync(join(folder, '.voxstream/run.lock')));
  assert.not.ok(existsSync(join(folder, '.voxstream/holder.json')));
});

test('if several processes find an abandoned lock, one of them takes it over', async () => {
  const folder = temporaryFolder();
  leaveLock(folder, elsewhere, 600);
  const { answers, winner } = await race(folder, 8, short);
  assert.is(answers.filter((answer) => answer === 'won').length, 1, answers.join('\n'));
  winner.stdin.end();
  await once(winner, 'exit');
});

test('the error names the process that holds the folder', async () => {
  const folder = temporaryFolder();
  const { winner } = await race(folder, 1);
  await refused(
    folder,
    new RegExp(`in use by another run \\(process ${winner.pid} on .+, since \\d{4}-.+Z\\)`),
  );
  winner.stdin.end();
  await once(winner, 'exit');
});

test('the folder of a killed run is free', async () => {
  const folder = temporaryFolder();
  const { winner } = await race(folder, 1);
  winner.kill('SIGKILL');
  await once(winner, 'exit');
  assert.ok(existsSync(join(folder, '.voxstream/run.lock')));
  // Short times, for systems where only the age of the lock shows that its holder is gone.
  await (await lockFolder(folder, short)).release();
});

test('a restarted container gets its folder back although its process has the same number as the old one', async () => {
  const folder = temporaryFolder();
  leaveLock(folder, { ...elsewhere, pid: process.pid }, 600);
  await (await lockFolder(folder, short)).release();
  const own = await lockFolder(folder);
  const holder = JSON.parse(readFileSync(join(folder, '.voxstream/holder.json'), 'utf8'));
  await own.release();
  if (process.platform !== 'linux') return;
  // The same process number in the same namespace, but of a process that started a moment earlier.
  leaveLock(folder, { ...holder, started: '1' }, 0);
  await (await lockFolder(folder)).release();
});

test('a lock from another machine is waited for, and taken over if it is not renewed', async () => {
  const folder = temporaryFolder();
  leaveLock(folder, elsewhere, 0);
  const messages: string[] = [];
  const lock = await lockFolder(folder, { ...short, onWait: (message) => messages.push(message) });
  await lock.release();
  assert.is(messages.length, 1);
  assert.match(
    messages[0],
    /is locked by another run \(process 1 on pod-a, since 2026-.*\)\. Waiting up to 2 s/,
  );
});

test('a lock from another machine that is renewed is respected', async () => {
  const folder = temporaryFolder();
  const lock = leaveLock(folder, elsewhere, 0);
  await refused(folder, /in use by another run \(process 1 on pod-a/, {
    onWait: () => utimesSync(lock, Date.now() / 1000 + 1, Date.now() / 1000 + 1),
  });
  assert.ok(existsSync(lock));
});

test('a lock that is renewed is respected, however wrong the clocks are', async () => {
  for (const age of [3600, -3600]) {
    const folder = temporaryFolder();
    const lock = leaveLock(folder, elsewhere, age);
    await refused(folder, /in use by another run/, {
      ...short,
      onWait: () => utimesSync(lock, Date.now() / 1000 - age, Date.now() / 1000 - age + 1),
    });
    assert.ok(existsSync(lock));
  }
});

test('locks from the future, which a clock that was set back leaves, are taken over', async () => {
  const folder = temporaryFolder();
  leaveLock(folder, elsewhere, -86_400);
  const start = join(folder, '.voxstream/start.lock');
  mkdirSync(start);
  utimesSync(start, Date.now() / 1000 + 86_400, Date.now() / 1000 + 86_400);
  await (await lockFolder(folder, short)).release();
});

test('a run keeps its lock when the clock jumps', async () => {
  const folder = temporaryFolder();
  const { now } = Date;
  let jump = 0;
  Date.now = () => now() + jump;
  try {
    const lock = await lockFolder(folder, steady);
    const at = () => statSync(join(folder, '.voxstream/run.lock')).mtimeMs;
    for (jump of [7_200_000, -7_200_000, 0]) {
      const before = at();
      while (at() === before) await wait(50);
    }
    assert.not.ok(lock.lost.aborted);
    await lock.release();
    assert.not.ok(existsSync(join(folder, '.voxstream/run.lock')));
  } finally {
    Date.now = now;
  }
});

test('a lock without a recorded holder, as just after its creation, is not removed', async () => {
  const folder = temporaryFolder();
  const lock = leaveLock(folder, undefined, 0);
  writeFileSync(join(folder, '.voxstream/holder.json'), '');
  await refused(folder, /in use by another run that is just starting or ending/, {
    onWait: () => utimesSync(lock, Date.now() / 1000 + 1, Date.now() / 1000 + 1),
  });
  assert.ok(existsSync(lock));
});

test('aborting ends the wait for a lock', async () => {
  const folder = temporaryFolder();
  leaveLock(folder, elsewhere, 0);
  const abort = new AbortController();
  await refused(folder, /in use by another run/, { signal: abort.signal, onWait: () => abort.abort() });
});

test('two locks on one folder in one process exclude each other', async () => {
  const folder = temporaryFolder();
  const lock = await lockFolder(folder);
  // On Linux at once; elsewhere only after the lock was renewed.
  await refused(folder, /in use by another run/);
  await lock.release();
});

test('a run notices that its lock is gone, and does not touch the lock of the run that took over', async () => {
  const folder = temporaryFolder();
  const lock = await lockFolder(folder, steady);
  rmdirSync(join(folder, '.voxstream/run.lock'));
  const other = leaveLock(folder, elsewhere, -1);
  // The lock's timer does not keep a process alive.
  const alive = setInterval(() => {}, 1000);
  await once(lock.lost, 'abort');
  clearInterval(alive);
  assert.match(
    lock.lost.reason.message,
    /This run stopped because its lock on .* is gone: .*run again with --resume/,
  );
  await lock.release();
  assert.ok(existsSync(other));
  assert.is(JSON.parse(readFileSync(join(folder, '.voxstream/holder.json'), 'utf8')).host, 'pod-a');
});

test.run();
