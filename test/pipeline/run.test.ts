import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { mkdir, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { concatMap, lastValueFrom, map, NEVER, takeWhile, tap, timer, toArray } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { type Case, makeCase, withMetrics, withVolumes } from '#src/case.js';
import { DataError } from '#src/errors.js';
import { writeNifti } from '#src/formats/writeNifti.js';
import { unknownColumn } from '#src/metrics/columns.js';
import { operator } from '#src/operators/define.js';
import type { RunEvent } from '#src/pipeline/events.js';
import { parsePipeline } from '#src/pipeline/load.js';
import { lockFolder } from '#src/pipeline/lock.js';
import { createRegistry } from '#src/pipeline/registry.js';
import { runPipeline } from '#src/pipeline/run.js';
import type { RunOptions } from '#src/pipeline/runOptions.js';
import { stream } from '#src/pipeline/stream.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { sink } from '#src/sinks/define.js';
import { type SourceItem, source } from '#src/sources/define.js';
import { makeVolume, type Volume } from '#src/volume/volume.js';
import { readCsv, temporaryFolder } from '../e2e/harness.js';

const { metric: size } = unknownColumn('size');

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Sources, steps and sinks for these tests, which show how the engine calls them. */
function bench(items: SourceItem[]) {
  const made: WeakRef<Volume>[] = [];
  const seen = {
    open: 0,
    mostOpen: 0,
    mostHeld: 0,
    written: [] as string[],
    fail: new Set<string>(),
    /** The device waits once until this many cases are open. */
    meet: 0,
    /** Reports a window of the case that the step `never` has. */
    reportWindow: (): void => assert.unreachable('no case came to the step never'),
  };
  const list = source({
    name: 'list',
    summary: 'The cases of the test.',
    options: {},
    example: {},
    async *open() {
      yield* items;
    },
  });
  const make = operator({
    name: 'make',
    summary: 'Makes a volume.',
    options: {},
    example: {},
    create: () =>
      map((subject: Case) => {
        seen.open++;
        seen.mostOpen = Math.max(seen.mostOpen, seen.open);
        const image = makeVolume({ data: new Uint8Array(1000), size: [10, 10, 10] });
        made.push(new WeakRef(image));
        return withVolumes(subject, { image });
      }),
  });
  const device = operator({
    name: 'device',
    summary: 'A slow device.',
    options: { factor: z.number().default(1) },
    example: {},
    create: ({ factor }, context) =>
      concatMap((subject: Case) =>
        context.runtime.on('device', async () => {
          while (seen.open < seen.meet) await sleep(5);
          seen.meet = 0;
          await sleep(5);
          collectGarbage();
          seen.mostHeld = Math.max(seen.mostHeld, made.filter((ref) => ref.deref()).length);
          if (seen.fail.has(subject.id)) throw new DataError(`The device does not like ${subject.id}.`);
          return withMetrics(subject, [{ metric: size, label: null, value: factor * subject.id.length }]);
        }),
      ),
  });
  const never = operator({
    name: 'never',
    summary: 'Never ends.',
    options: {},
    example: {},
    create: (_, { onWindows }) =>
      concatMap(({ id }) => {
        seen.reportWindow = () => onWindows?.(id, 1, 2);
        // The timer keeps the process alive.
        return timer(1e9).pipe(concatMap(() => NEVER));
      }),
  });
  const count = sink({
    name: 'count',
    summary: 'Notes who came.',
    options: {},
    example: {},
    open: async () => ({
      async write({ id }) {
        seen.written.push(id);
        seen.open--;
      },
    }),
  });
  const registry = createRegistry({ sources: [list], operators: [make, device, never], sinks: [count] });
  const output = join(temporaryFolder(), 'out');
  const events: RunEvent[] = [];
  const pipeline = (set: string[] = [], steps = 'make, device') => {
    const text = `{ source: list, steps: [${steps}], sinks: [count, metricsCsv], runtime: { inFlight: 2 }, output: '${output}' }`;
    return parsePipeline(text, 'p.yaml', { registry, set });
  };
  const run = (options: RunOptions = {}, set?: string[], steps?: string) =>
    runPipeline(pipeline(set, steps), { onEvent: (event) => void events.push(event), ...options });
  return { seen, run, pipeline, output, events };
}

const ten = Array.from({ length: 10 }, (_, i) => makeCase({ id: `case-${i}` }));

test('ten cases through a slow device never hold more than inFlight volumes in memory', async () => {
  const { seen, run } = bench(ten);
  seen.meet = 2;
  const result = await run();
  assert.is(result.done, 10);
  assert.is(seen.mostOpen, 2);
  assert.is(seen.mostHeld, 2);
});

test("from the first case on, run.json describes the run, and the journal lists the files of a case's volumes", async () => {
  const file = join(temporaryFolder(), 'a.nii');
  writeFileSync(file, 'an image');
  const one = makeCase({ id: 'a', files: { image: file }, labelNames: { 1: 'spleen' } });
  const { run, output } = bench([one]);
  const record = () => JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
  let atStart: ReturnType<typeof record>;
  await run({
    onEvent: ({ event }) => {
      if (event === 'caseStart') atStart = record();
    },
  });
  assert.equal([atStart.cases, atStart.device, atStart.done], [1, record().device, undefined]);
  assert.equal([record().cases, record().done], [1, 1]);
  const entry = JSON.parse(readFileSync(join(output, '.voxstream/journal.jsonl'), 'utf8').trim());
  assert.equal([entry.volumes, entry.labelNames], [{ image: file }, { 1: 'spleen' }]);
});

test('a failed case is recorded and the run continues', async () => {
  const { seen, run, output, events } = bench([...ten, { id: 'bad', refused: 'It is bad.' }]);
  seen.fail.add('case-3');
  const result = await run();
  assert.equal([result.done, result.failed], [9, 2]);
  assert.equal(readCsv(join(output, 'failures.csv')), [
    { case: 'case-3', step: 'device', message: 'The device does not like case-3.' },
    { case: 'bad', step: 'source', message: 'It is bad.' },
  ]);
  assert.equal(
    readCsv(join(output, 'metrics.csv')).map((row) => row.case),
    ten.map(({ id }) => id).filter((id) => id !== 'case-3'),
  );
  assert.is(events.filter(({ event }) => event === 'caseFailed').length, 2);
  assert.equal(JSON.parse(readFileSync(join(output, 'run.json'), 'utf8')).failed, 2);
});

test('cases, shard and limit select cases; shards cover the dataset without overlap', async () => {
  const ids = async (options: RunOptions) => {
    const { seen, run } = bench(ten);
    await run(options);
    return seen.written.sort();
  };
  assert.equal(await ids({ cases: ['case-2', 'case-7'] }), ['case-2', 'case-7']);
  assert.equal(await ids({ limit: 1 }), ['case-0']);
  const parts = await Promise.all([1, 2, 3].map((index) => ids({ shard: { index, count: 3 } })));
  assert.equal(
    parts.map((part) => part.length),
    [4, 3, 3],
  );
  assert.equal(
    parts.flat().sort(),
    ten.map(({ id }) => id),
  );
  await bench(ten)
    .run({ cases: ['case-22'] })
    .then(
      () => assert.unreachable(),
      (error) => assert.match(error.message, /--cases: there is no case "case-22"; did you mean "case-2"/),
    );
});

test('a second case with the same id, or the same file name, is rejected', async () => {
  const { run } = bench([makeCase({ id: 'a/b' }), makeCase({ id: 'a/b' }), makeCase({ id: 'a_b' })]);
  const { failures } = await run();
  assert.is(failures.length, 2);
  const { run: runAgain } = bench([makeCase({ id: 'a_b' }), makeCase({ id: 'a/b' })]);
  assert.match((await runAgain()).failures[0].message, /which is written to the same files as a_b/);
});

test('--resume skips finished cases, and runs failed or changed ones again with a reason', async () => {
  const folder = temporaryFolder();
  const items = ten.slice(0, 4).map(({ id }) => {
    writeFileSync(join(folder, id), id);
    return makeCase({ id, files: { image: join(folder, id) } });
  });
  const { seen, run, output, events } = bench(items);
  seen.fail.add('case-1');
  assert.is((await run()).done, 3);
  const before = readFileSync(join(output, 'metrics.csv'), 'utf8');
  seen.fail.clear();
  await utimes(join(folder, 'case-2'), new Date(), new Date(2020, 1));
  events.length = 0;
  const again = await run({ resume: true });
  assert.equal([again.done, again.skipped, again.failed], [2, 2, 0]);
  assert.equal(
    events.flatMap((event) => (event.event === 'caseSkipped' ? [event.case] : [])),
    ['case-0', 'case-3'],
  );
  // Cases that run at once start in any order.
  const reasons = events.flatMap((event) =>
    event.event === 'caseStart' ? [[event.case, event.reason]] : [],
  );
  assert.equal(Object.fromEntries(reasons), {
    'case-1': 'not finished in the earlier run',
    'case-2': `${join(folder, 'case-2')} changed`,
  });
  const rows = readCsv(join(output, 'metrics.csv'));
  assert.equal(
    rows.map((row) => row.case),
    ['case-0', 'case-1', 'case-2', 'case-3'],
  );
  assert.ok(before.includes('case-3,6'));
  events.length = 0;
  assert.is((await run({ resume: true }, ['device.factor=2'])).done, 4);
  assert.equal(
    events.flatMap((event) => (event.event === 'caseStart' ? [event.reason] : []))[0],
    'the pipeline or its model changed',
  );
});

test('--resume does not trust results of another version of voxstream', async () => {
  const { run, output, events } = bench(ten.slice(0, 2));
  await run();
  const file = join(output, '.voxstream/journal.jsonl');
  const lines = readFileSync(file, 'utf8').trim().split(/\n+/);
  const older = JSON.stringify({ ...JSON.parse(lines[0]), version: '0.0.1' });
  writeFileSync(file, `${older}\n${lines[1]}\n`);
  const again = await run({ resume: true });
  assert.equal([again.done, again.skipped], [1, 1]);
  const [started] = events.flatMap((event) =>
    event.event === 'caseStart' && event.reason ? [event.reason] : [],
  );
  assert.is(started, 'it was finished by another version of voxstream');
});

test('a run that loses its lock stops with the reason', async () => {
  const { run, output, seen } = bench(ten);
  const started = run(
    {
      onEvent: ({ event }) => {
        if (event === 'start') rmdirSync(join(output, '.voxstream/run.lock'));
      },
    },
    [],
    'make, never',
  );
  await started.then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, /^This run stopped because its lock on .* is gone/),
  );
  assert.equal(seen.written, []);
});

test('a source file that changes while its case is processed fails the case', async () => {
  const file = join(temporaryFolder(), 'image');
  writeFileSync(file, 'a');
  const { run } = bench([makeCase({ id: 'x', files: { image: file } })]);
  const { failures } = await run({
    onEvent: (event) => {
      if (event.event === 'step' && event.step === 'make') writeFileSync(file, 'longer');
    },
  });
  assert.match(failures[0].message, /changed while the case was being processed/);
});

test('an aborted run starts no more cases, and the next run continues', async () => {
  const { run, output } = bench(ten);
  const abort = new AbortController();
  let ended = 0;
  const result = await run({
    signal: abort.signal,
    onEvent: ({ event }) => {
      if (event === 'caseDone' && ++ended === 3) abort.abort();
    },
  });
  assert.ok(result.interrupted);
  assert.ok(result.done >= 3 && result.done < 10, String(result.done));
  // A case that was abandoned after its row was written does not count as done.
  assert.is(readCsv(join(output, 'metrics.csv')).length, result.done);
  assert.is((await run({ resume: true })).done, 10 - result.done);
  assert.is(readCsv(join(output, 'metrics.csv')).length, 10);
});

test('a case that is being recorded when the run is aborted counts, and "end" is the last event', async () => {
  const { run, output, events } = bench(ten);
  const abort = new AbortController();
  const result = await run({
    signal: abort.signal,
    onEvent: (event) => {
      events.push(event);
      // The case is recorded after its last step. One microtask later, that is in progress.
      if (event.event === 'step' && event.step === 'metricsCsv' && event.case === 'case-2')
        queueMicrotask(() => abort.abort());
    },
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(result.interrupted);
  const journal = readFileSync(join(output, '.voxstream/journal.jsonl'), 'utf8').split('\n').filter(Boolean);
  assert.is(result.done, journal.length);
  assert.is(readCsv(join(output, 'metrics.csv')).length, journal.length);
  assert.is(events.at(-1)?.event, 'end');
});

test('a case that was abandoned reports nothing after "end"', async () => {
  const { seen, run, events } = bench(ten);
  const abort = new AbortController();
  const result = await run(
    {
      signal: abort.signal,
      onEvent: (event) => {
        events.push(event);
        if (event.event === 'step') setImmediate(() => abort.abort());
        if (event.event === 'end') seen.reportWindow();
      },
    },
    [],
    'make, never',
  );
  assert.ok(result.interrupted);
  assert.is(events.at(-1)?.event, 'end');
});

test('a second run into a folder is rejected, and an abandoned lock is taken over', async () => {
  const { run, output } = bench(ten);
  const first = run();
  await first;
  await mkdir(join(output, '.voxstream'), { recursive: true });
  const lock = await lockFolder(output);
  await run().then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, /is in use by another run \(process \d+ on .*\)/),
  );
  await lock.release();
  const abandoned = join(output, '.voxstream/run.lock');
  mkdirSync(abandoned);
  await utimes(abandoned, 1, 1);
  assert.is((await run()).done, 10);
  assert.not.ok(existsSync(abandoned));
  await rm(output, { recursive: true });
});

test('the memory budget holds cases back regardless of inFlight, and fails a case that can never fit', async () => {
  const folder = temporaryFolder();
  const items = [];
  for (const [i, edge] of [16, 16, 256, 16, 16].entries()) {
    const data = new Uint8Array(edge ** 3);
    const file = join(folder, `${i}.nii.gz`);
    await writeNifti(file, makeVolume({ data, size: [edge, edge, edge], kind: 'label' }));
    items.push(makeCase({ id: `c${i}`, files: { image: file } }));
  }
  const { seen, run, events } = bench(items);
  // 16^3 voxels and buffers take 32 MiB and 4 KiB, so one case fits and two do not. 256^3 voxels take 48 MiB.
  const steps = 'load, make, device';
  const result = await run({}, ['runtime.memory=40MiB', 'runtime.inFlight=5'], steps);
  assert.is(seen.mostOpen, 1);
  assert.equal(seen.written, ['c0', 'c1', 'c3', 'c4']);
  assert.is(result.failures.length, 1);
  assert.is(result.failures[0].step, 'memory');
  assert.match(
    result.failures[0].message,
    /^Case c2 needs about 48\.0 MiB of memory \(most of it in load\), but open cases may use only 40\.0 MiB \(runtime\.memory\)\. Raise the limit with --memory 1GiB /,
  );
  const told = events.flatMap((event) => (event.event === 'caseStart' ? [event.memory] : []));
  assert.equal(
    told,
    [1, 1, 1, 1].map(() => 2 ** 25 + 16 ** 3),
  );
  seen.written.length = 0;
  seen.meet = 2;
  assert.is((await run({}, ['runtime.memory=80MiB', 'runtime.inFlight=5'], steps)).failed, 0);
  assert.is(seen.mostOpen, 2);
});

test('each subscription to a stream starts a run, and the stream completes after the end event', async () => {
  const { seen, pipeline } = bench(ten.slice(0, 3));
  const events = stream(pipeline());
  assert.equal(seen.written, []);
  for (const runs of [1, 2]) {
    const emitted = await lastValueFrom(events.pipe(toArray()));
    const kinds = emitted.map(({ event }) => event);
    assert.equal([kinds[0], kinds[1], kinds.at(-1)], ['preparing', 'start', 'end']);
    assert.equal(emitted.flatMap((one) => (one.event === 'caseDone' ? [one.index] : [])).sort(), [0, 1, 2]);
    assert.is(seen.written.length, 3 * runs);
  }
});

test('unsubscribing ends the run: open cases are abandoned, files are written, the folder is unlocked', async () => {
  const { seen, pipeline, run, output } = bench(ten);
  await lastValueFrom(stream(pipeline()).pipe(takeWhile(({ event }) => event !== 'caseDone')), {
    defaultValue: undefined,
  });
  const record = () => JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
  while (existsSync(join(output, '.voxstream/run.lock'))) await sleep(10);
  assert.is(record().interrupted, true);
  assert.ok(seen.written.length < 10, String(seen.written.length));
  const { done } = record();
  assert.is((await run({ resume: true })).done, 10 - done);
});

test('an error of the run is the error of its stream', async () => {
  const error = await lastValueFrom(stream(bench([]).pipeline())).catch((fault) => fault);
  assert.match(error.message, /^There are no cases to run/);
});

test('the seconds of a sink exclude waiting for the io lane', async () => {
  const { pipeline } = bench(ten.slice(0, 1));
  const runtime = createRuntime({ workers: 1 });
  // Both places of the lane are taken until the case has waited at the sinks for a while.
  let release = () => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  const busy = [0, 1].map(() => runtime.on('io', () => released));
  let releasedAt = Number.POSITIVE_INFINITY;
  const free = () => {
    releasedAt = performance.now();
    release();
  };
  const longest: number[] = [];
  await lastValueFrom(
    stream(pipeline(), { runtime }).pipe(
      tap((event) => {
        if (event.event !== 'step') return;
        if (event.step === 'device') setTimeout(free, 100);
        // It started when the lane was free, at the earliest.
        if (event.step === 'count') longest.push(event.seconds - (performance.now() - releasedAt) / 1000);
      }),
    ),
  );
  await Promise.all(busy);
  await runtime.close();
  assert.is(longest.length, 1);
  assert.ok(longest[0] <= 0, String(longest));
});

test('an empty dataset is rejected', async () => {
  await bench([])
    .run()
    .then(
      () => assert.unreachable(),
      (error) => assert.match(error.message, /There are no cases to run/),
    );
});

test.run();
