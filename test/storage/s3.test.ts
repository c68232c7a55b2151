import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadPipeline } from '#src/pipeline/load.js';
import { lockAddress } from '#src/pipeline/remoteLock.js';
import { runPipeline } from '#src/pipeline/run.js';
import type { RunOptions } from '#src/pipeline/runOptions.js';
import { localCopy } from '#src/storage/cache.js';
import { listPlace, readSmall, removePlace, statPlace, writePlace } from '#src/storage/places.js';
import { root, temporaryFolder } from '../e2e/harness.js';
import { tarMember } from '../formats/buildTar.js';
import { cheapRun, resultsIn } from '../queue/cheapRun.js';
import { bucket, seeded, startS3 } from './s3Server.js';

const server = await startS3();
const cache = temporaryFolder();
Object.assign(process.env, server.env, { VOXSTREAM_CACHE: cache });

test.before.each(() => {
  server.disturb = () => undefined;
  server.requests.length = 0;
});
test.after(() => server.close());

const noise = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7919) % 251));

test('objects are written, listed, read and removed', async () => {
  const address = `s3://${bucket}/a/b c.bin`;
  await writePlace(address, noise);
  await writePlace(`s3://${bucket}/ab.bin`, Buffer.from('x'));
  assert.is((await statPlace(address))?.size, noise.length);
  assert.equal(
    (await listPlace(`s3://${bucket}/a`)).map(({ path, size }) => [path, size]),
    [[address, noise.length]],
  );
  assert.equal(await readSmall(address), noise);
  await removePlace(address);
  assert.is(await statPlace(address), undefined);
  await removePlace(address);
});

test('reading and writing survive connections that break, answers that are cut off, and a busy server', async () => {
  server.disturb = seeded(3, 2, ['drop', 'delay', 'truncate', 'unavailable']);
  const before = server.faults;
  for (let i = 0; i < 4; i++) {
    const address = `s3://${bucket}/hard/${i}`;
    await writePlace(address, noise.subarray(i));
    assert.equal(await readSmall(address), noise.subarray(i));
  }
  assert.ok(server.faults > before + 2, 'requests were disturbed');
});

test('a large file is uploaded in parts, whole or not at all', async () => {
  const large = Buffer.alloc(8.5 * 2 ** 20, 'voxel');
  const file = join(temporaryFolder(), 'large');
  writeFileSync(file, large);
  const address = `s3://${bucket}/large`;
  // No part after the first arrives.
  server.disturb = ({ url }) => (/partNumber=2/.test(url ?? '') ? 'denied' : undefined);
  await writePlace(address, { file }).then(
    () => assert.unreachable('a part was refused'),
    (error) => assert.match(error.message, /^s3:\/\/data\/large cannot be written: access is denied/),
  );
  assert.is(await statPlace(address), undefined);
  assert.ok(
    server.requests.some((one) => one.startsWith('DELETE') && one.includes('uploadId')),
    'it was abandoned',
  );
  server.disturb = () => undefined;
  await writePlace(address, { file });
  assert.ok((await server.get('large')).equals(large));
  await removePlace(address);
});

test('what is wrong is said in a sentence', async () => {
  const messageOf = (work: Promise<unknown>) =>
    work.then(
      () => '',
      (error: Error) => error.message,
    );
  assert.match(
    await messageOf(statPlace('s3://nowhere/x')),
    /^s3:\/\/nowhere\/x cannot be read: there is no bucket "nowhere"/,
  );
  assert.match(
    await messageOf(writePlace('s3://nowhere/x', noise)),
    /^s3:\/\/nowhere\/x cannot be written: there is no bucket/,
  );
  assert.match(
    await messageOf(listPlace('s3://nowhere')),
    /^s3:\/\/nowhere cannot be listed: there is no bucket/,
  );
  server.disturb = () => 'denied';
  assert.match(
    await messageOf(statPlace(`s3://${bucket}/x`)),
    /^s3:\/\/data\/x cannot be read: access is denied; check the rights/,
  );
  // As S3 answers if the clock of this machine is wrong by an hour, and the SDK cannot correct it.
  server.disturb = () => 'skew';
  assert.match(
    await messageOf(statPlace(`s3://${bucket}/x`)),
    /cannot be read: the clock of this machine differs too much/,
  );
  assert.match(
    await messageOf(writePlace(`s3://${bucket}/x`, noise)),
    /cannot be written: the clock of this machine/,
  );
  assert.match(
    await messageOf(statPlace('gs://bucket/x')),
    /has the scheme "gs", but known are file, s3, http and https/,
  );
});

/** What a process says whose clock is an hour ahead when it writes an object. */
async function writeAnHourAhead(address: string): Promise<string> {
  const code = `
    const Right = Date;
    globalThis.Date = class extends Right {
      constructor(...given) {
        super(...(given.length > 0 ? given : [Date.now()]));
      }
      static now() {
        return Right.now() + 3_600_000;
      }
    };
    const { writePlace } = await import('#src/storage/places.js');
    await writePlace('${address}', Buffer.from('x')).catch(({ message }) => console.log(message));
    process.exit();`;
  const args = ['--input-type=module', '-e', code];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] });
  let said = '';
  for await (const chunk of child.stdout) said += chunk;
  return said;
}

test('a clock that is wrong by an hour is corrected by that of the server', async () => {
  assert.is(await writeAnHourAhead(`s3://${bucket}/clock`), '');
  assert.equal(await server.keys('clock'), ['clock']);
  // s3rver refuses requests whose time is off by more than 15 minutes, as S3 does, and says its own time.
  assert.is(server.requests.filter((one) => one.startsWith('PUT')).length, 2);
});

test('a member of a tar archive is read without the rest of it', async () => {
  const members = ['a', 'b', 'c'].map((name, i) => tarMember(`set/${name}.bin`, noise.subarray(i)));
  const tar = Buffer.concat([...members, Buffer.alloc(1024)]);
  await server.put('set.tar', tar);
  server.requests.length = 0;
  const copy = await localCopy(`s3://${bucket}/set.tar/set/b.bin`);
  assert.equal(readFileSync(copy.path), noise.subarray(1));
  assert.is(basename(copy.path), 'b.bin');
  await copy.release();
  assert.not(existsSync(copy.path));
  const bytes = server.requests.reduce((sum, one) => {
    const [, start, end] = /bytes=(\d+)-(\d+)/.exec(one) ?? [];
    return sum + (start === undefined ? 0 : Number(end) - Number(start) + 1);
  }, 0);
  assert.ok(bytes > noise.length && bytes < tar.length * 0.6, `${bytes} of ${tar.length} bytes were read`);
  assert.is(await statPlace(`s3://${bucket}/set.tar/set/d.bin`), undefined);
});

test('the cache keeps files that were used last, within its limit, and never takes one away', async () => {
  process.env['VOXSTREAM_CACHE_SIZE'] = '2.5KiB';
  const cached = () =>
    readdirSync(join(cache, 'files'), { withFileTypes: true }).filter((one) => one.isFile()).length;
  const reads = () => server.requests.filter((one) => one.includes('bytes=')).length;
  for (const name of ['1', '2', '3']) await server.put(`small/${name}`, Buffer.alloc(1024, name));
  const open = await localCopy(`s3://${bucket}/small/1`);
  await (await localCopy(`s3://${bucket}/small/2`)).release();
  await (await localCopy(`s3://${bucket}/small/3`)).release();
  assert.is(cached(), 2);
  assert.is(readFileSync(open.path, 'utf8'), '1'.repeat(1024), 'a file that is in use stays readable');
  await open.release();
  const before = reads();
  await (await localCopy(`s3://${bucket}/small/3`)).release();
  assert.is(reads(), before, 'it was in the cache');
  await server.put('small/3', Buffer.alloc(1000, 'x'));
  const changed = await localCopy(`s3://${bucket}/small/3`);
  assert.is(readFileSync(changed.path, 'utf8'), 'x'.repeat(1000), 'a changed object is read again');
  await changed.release();
  process.env['VOXSTREAM_CACHE_SIZE'] = '50';
  await server.put('small/4', Buffer.alloc(1000));
  const refused = await localCopy(`s3://${bucket}/small/4`).then(
    () => '',
    ({ message }) => message,
  );
  assert.match(
    refused,
    /VOXSTREAM_CACHE_SIZE is "50", but it must be at least 1\.0 KiB \(did you mean 50GiB\?\)/,
  );
  process.env['VOXSTREAM_CACHE_SIZE'] = '';
});

test('a run reads its cases from a bucket as from a disk, also through a bad connection', async () => {
  const { pipeline: file, predictions } = await cheapRun(12);
  const root = temporaryFolder();
  for (const folder of [predictions, join(predictions, '..', 'label')]) {
    for (const name of readdirSync(folder)) {
      await server.put(`set/${basename(folder)}/${name}`, readFileSync(join(folder, name)));
    }
  }
  const run = async (output: string, ...set: string[]) =>
    runPipeline(await loadPipeline([file], { set: [`output=${join(root, output)}`, ...set] }), {});
  const places = ['pred', 'label'].map((key) => `source.${key}=s3://${bucket}/set/${key}`);
  await run('disk');
  server.disturb = seeded(11, 4, ['drop', 'delay', 'truncate', 'unavailable']);
  const { done, failures } = await run('bucket', ...places);
  assert.is(done, 11);
  assert.match(failures[0].message, /^s3:\/\/data\/set\/pred\/ct_004\.nii /);
  const named = (text: string) =>
    Buffer.from(text, 'base64').toString().replaceAll(predictions, `s3://${bucket}/set/pred`);
  const [disk, remote] = [resultsIn(join(root, 'disk')), resultsIn(join(root, 'bucket'))];
  assert.is(named(remote['failures.csv']), named(disk['failures.csv']));
  assert.equal({ ...remote, 'failures.csv': '' }, { ...disk, 'failures.csv': '' });
  assert.equal(readdirSync(join(cache, 'files/open')), [], 'all copies were given back');
});

/** The results of a run in the bucket, as `resultsIn` gives those in a folder. */
async function resultsAt(prefix: string): Promise<Record<string, string>> {
  const wanted = /^[^/]*\.nii\.gz$|^(metrics\.csv|summary\.json|failures\.csv)$/;
  const names = (await server.keys(`${prefix}/`)).map((key) => key.slice(prefix.length + 1));
  const files = names
    .filter((name) => wanted.test(name))
    .map(async (name) => {
      return [name, (await server.get(`${prefix}/${name}`)).toString('base64')] as const;
    });
  return Object.fromEntries(await Promise.all(files));
}

test('a run writes into a bucket what it writes to a disk, through a bad connection, and continues there', async () => {
  const { pipeline: file } = await cheapRun(12, { sinks: ', report' });
  const root = temporaryFolder();
  const run = async (output: string, options: RunOptions = {}) =>
    runPipeline(await loadPipeline([file], { set: [`output=${output}`] }), options);
  await run(join(root, 'disk'));
  const disk = resultsIn(join(root, 'disk'));

  server.disturb = seeded(5, 6, ['drop', 'delay', 'truncate', 'unavailable']);
  const before = server.faults;
  const output = `s3://${bucket}/out`;
  // The first run ends early, as if it was killed: its last files are missing.
  const abort = new AbortController();
  let ended = 0;
  const first = await run(output, {
    signal: abort.signal,
    onEvent: ({ event }) => {
      if (event === 'caseDone' && ++ended === 4) abort.abort();
    },
  });
  assert.ok(first.interrupted);
  const { done, skipped, problems } = await run(output, { resume: true });
  assert.is(done + skipped, 11);
  assert.ok(skipped >= 4, 'finished cases were not run again');
  assert.equal(problems, []);
  server.disturb = () => undefined;
  assert.ok(server.faults > before + 10, 'requests were disturbed');
  assert.equal(await resultsAt('out'), disk);
  const keys = await server.keys('out/');
  const page = (await server.get('out/report/index.html')).toString();
  assert.match(page, /ct_011/);
  assert.equal(
    keys.filter((key) => /lock|journal\/|partial/.test(key)),
    [],
    'nothing is left over',
  );
  assert.is(keys.filter((key) => key.endsWith('/case.json')).length, 11);
  assert.equal(readdirSync(join(cache, 'outputs')), []);

  // Nothing changed, so that no case is run again.
  assert.is((await run(output, { resume: true })).skipped, 11);
  await server.put('other/ct_000_pred.nii.gz', 'mine');
  await run(`s3://${bucket}/other`).then(
    () => assert.unreachable('a file would be replaced'),
    (error) =>
      assert.match(error.message, /would replace 1 file\(s\).*: s3:\/\/data\/other\/ct_000_pred\.nii\.gz\. /),
  );
  await run('s3://nowhere/out').then(
    () => assert.unreachable('there is no such bucket'),
    (error) => assert.match(error.message, /there is no bucket "nowhere"/),
  );
});

test('two runs into one folder of a bucket are refused, and a lock of a run that died is taken over', async () => {
  const output = `s3://${bucket}/locked`;
  const lock = await lockAddress(output);
  await lockAddress(output).then(
    () => assert.unreachable('it is locked'),
    (error) => assert.match(error.message, /^s3:\/\/data\/locked is in use by another run \(process \d+ on /),
  );
  await lock.release();
  assert.equal(await server.keys('locked/'), []);
  await server.put('locked/.voxstream/lock/old.json', '{}');
  const messages: string[] = [];
  const next = await lockAddress(output, { stale: 2000, onWait: (message) => messages.push(message) });
  await next.release();
  assert.match(messages[0], /is locked by another run\. Waiting up to 2 s/);
});

test.run();
