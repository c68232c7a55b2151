import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'csv-parse/sync';
import * as assert from 'uvu/assert';
import { actAtEvents } from '../e2e/actAtEvents.js';
import { start, temporaryFolder, voxstream } from '../e2e/harness.js';
import { bucket, type S3Server, seeded, startS3 } from '../storage/s3Server.js';
import { cheapRun } from './cheapRun.js';
import { startRedis } from './redisServer.js';

/** Where a round has its inputs and results. */
interface Places {
  /** The overrides of the pipeline. */
  readonly set: readonly string[];
  /** The folder or address for the results of a run. */
  output(name: string): string;
  /** All files of a run by name. */
  files(name: string): Promise<Record<string, Buffer>>;
  readonly env: Readonly<Record<string, string>>;
  /** Disturbs all transfers from now on, or no longer. */
  disturb(on: boolean): void;
  /** Transfers that were disturbed. */
  faults(): number;
  close(): void;
}

/** Folders on this machine. */
function folders(): Places {
  const root = temporaryFolder();
  return {
    set: [],
    output: (name) => join(root, name),
    async files(name) {
      const all = readdirSync(join(root, name), { recursive: true, withFileTypes: true });
      const paths = all
        .filter((one) => one.isFile())
        .map((one) => join(one.parentPath ?? one.path, one.name));
      return Object.fromEntries(
        paths.map((path) => [path.slice(join(root, name).length + 1), readFileSync(path)]),
      );
    },
    env: {},
    disturb() {},
    faults: () => 0,
    close() {},
  };
}

/** A bucket behind a bad connection, with the label maps in `predictions` and beside it. */
async function badBucket(predictions: string, seed: number): Promise<Places> {
  const server: S3Server = await startS3();
  for (const folder of [predictions, join(predictions, '..', 'label')]) {
    for (const name of readdirSync(folder)) {
      await server.put(`set/${basename(folder)}/${name}`, readFileSync(join(folder, name)));
    }
  }
  return {
    set: ['pred', 'label'].flatMap((key) => ['--set', `source.${key}=s3://${bucket}/set/${key}`]),
    output: (name) => `s3://${bucket}/${name}`,
    async files(name) {
      const keys = await server.keys(`${name}/`);
      const files: Record<string, Buffer> = {};
      for (const key of keys) files[key.slice(name.length + 1)] = await server.get(key);
      return files;
    },
    env: server.env,
    disturb(on) {
      server.disturb = on
        ? seeded(seed, 8, ['drop', 'cut', 'delay', 'truncate', 'unavailable'])
        : () => undefined;
    },
    faults: () => server.faults,
    close: () => server.close(),
  };
}

/** The files that the runs of one pipeline share byte for byte: volumes, pictures and tables. */
function results(files: Readonly<Record<string, Buffer>>): Record<string, string> {
  const wanted = /\.(nii\.gz|svg)$|^(metrics\.csv|summary\.json|failures\.csv)$/;
  const found = Object.entries(files).filter(([name]) => wanted.test(name));
  return Object.fromEntries(
    found.map(([name, content]) => [
      name,
      `${content.length} bytes, ${createHash('sha256').update(content).digest('hex')}`,
    ]),
  );
}

/**
 * The names of all files of a run, without those that only a queue has, and the lanes, which only one process
 * has.
 */
function namesOf(files: Readonly<Record<string, Buffer>>): string[] {
  const own = /^(\.voxstream\/(queue\/|cases\.json)|report\/lanes\.json$)/;
  return Object.keys(files)
    .filter((name) => !own.test(name))
    .sort();
}

/**
 * Works on a run with three processes while one of them is killed in mid-case, one starts late, and the
 * server of the queue is killed and started again. Compares all results with those of a single run that
 * nothing disturbed.
 *
 * @param where `bucket`: all inputs and results are in a bucket whose connection drops, cuts, delays,
 * truncates and refuses requests at random.
 */
export async function chaosRound(cases: number, where: 'disk' | 'bucket', seed = 1): Promise<void> {
  const { pipeline, predictions } = await cheapRun(cases, { sinks: where === 'bucket' ? ', report' : '' });
  const places = where === 'disk' ? folders() : await badBucket(predictions, seed);
  const server = await startRedis();
  const env = () => ({ ...places.env, VOXSTREAM_CACHE: temporaryFolder() });
  const queue = ['--queue', server.url];
  try {
    const alone = ['run', pipeline, ...places.set, '-o', places.output('single'), '--quiet'];
    assert.is((await voxstream(alone, env())).code, 2);
    places.disturb(true);
    const submission = ['submit', pipeline, ...places.set, '--name', 'chaos', '-o', places.output('queued')];
    const submitted = await voxstream([...submission, ...queue], env());
    assert.is(submitted.code, 0, submitted.stderr);

    const work = ['work', ...queue, '--exit-when-done', '--json', '--in-flight', '2', '--retry-delay', '0.1'];
    const stalledAfter = (seconds: number) => ['--stalled-after', String(seconds)];
    // It dies while it has cases open; the other one waits for that, so that neither does everything.
    const go = join(temporaryFolder(), 'go');
    const dying = actAtEvents([{ at: { event: 'caseStart' }, nth: 4, signal: 'SIGKILL' }]);
    const waiting = actAtEvents([{ at: { event: 'caseDone' }, nth: 2, waitFor: go }]);
    const victim = start([...work, ...stalledAfter(3)], { ...env(), ...dying });
    // While it waits it gives no sign of life. Its locks must outlast that, or it would count as dead, and a
    // case that it shares with the other one as poisonous.
    const survivor = start([...work, ...stalledAfter(8)], { ...env(), ...waiting });
    const died = await victim.ended;
    assert.is(died.signal, 'SIGKILL', died.stderr);
    await server.kill();
    writeFileSync(go, '');
    await sleep(300);
    await server.start();
    const late = start([...work, ...stalledAfter(3)], env());
    const ended = await Promise.all([survivor.ended, late.ended]);
    for (const { code, stderr } of ended) assert.ok(code === 0 || code === 2, stderr);
    if (where === 'bucket') {
      assert.ok(places.faults() > cases, 'transfers were disturbed');
      console.log(`${places.faults()} transfers were disturbed.`);
    }
    places.disturb(false);
    await compare(places, cases);
  } finally {
    await server.kill();
    places.close();
  }
}

async function compare(places: Places, cases: number): Promise<void> {
  const [single, queued] = [await places.files('single'), await places.files('queued')];
  assert.equal(results(queued), results(single));
  assert.equal(namesOf(queued), namesOf(single));
  const rows = ['metrics.csv', 'failures.csv'].flatMap((name): Record<string, string>[] =>
    parse(queued[name], { columns: true }),
  );
  const all = Array.from({ length: cases }, (_, i) => `ct_${String(i).padStart(3, '0')}`);
  assert.equal(rows.map((row) => row['case']).sort(), all);
  assert.match(queued['run.json'].toString(), /"queue": "chaos"/);
  const page = queued['report/index.html']?.toString();
  if (page !== undefined) assert.ok(page.includes(all.at(-1) ?? ''), 'the report has the last case');
}
