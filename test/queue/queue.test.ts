import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { delayWhen, tap } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments } from 'yaml';
import { OptionError } from '#src/errors.js';
import type { ObservedEvent } from '#src/observe/events.js';
import { operator } from '#src/operators/define.js';
import { loadPipeline, loadPipelineTexts } from '#src/pipeline/load.js';
import { createRegistry } from '#src/pipeline/registry.js';
import { runPipeline } from '#src/pipeline/run.js';
import { checkSame } from '#src/queue/checkSame.js';
import { collect } from '#src/queue/collect.js';
import { cancel, drain, pause, resume, retryFailed } from '#src/queue/control.js';
import { connect } from '#src/queue/redis.js';
import { Results } from '#src/queue/results.js';
import { pipelineOf, type RunSpec } from '#src/queue/spec.js';
import { queueStatus } from '#src/queue/status.js';
import { Store } from '#src/queue/store.js';
import { type Submission, type Submitted, submit } from '#src/queue/submit.js';
import { type WorkOptions, type WorkResult, work } from '#src/queue/work.js';
import { cli, root as project, temporaryFolder } from '../e2e/harness.js';
import { buildDicom, sliceSet } from '../formats/dicom/buildDicom.js';
import { FakeServer, json, multipart } from '../formats/dicomweb/fakeServer.js';
import { testNeeding } from '../needs.js';
import { cheapRun, resultsIn } from './cheapRun.js';
import { redisServer, startRedis, type TestServer } from './redisServer.js';

const root = temporaryFolder();
const { pipeline: file } = await cheapRun(12);

/** How often each case was tried by the step `flaky`. */
const tries = new Map<string, number>();
/** Fails ct_001 with an error of the file system at its first try, and ct_002 with a fault of its data. */
const flaky = operator({
  name: 'flaky',
  summary: 'Fails at the first try.',
  options: {},
  example: {},
  create: () =>
    tap(({ id }) => {
      tries.set(id, (tries.get(id) ?? 0) + 1);
      if (id === 'ct_001' && tries.get(id) === 1) throw Object.assign(new Error('stale'), { code: 'ESTALE' });
      if (id === 'ct_002' && (tries.get(id) ?? 0) < 3) throw new OptionError('The case is bad.');
    }),
});
/** What the step `hold` waits for. */
let held: Promise<unknown> = Promise.resolve();
const hold = operator({
  name: 'hold',
  summary: 'Holds cases back.',
  options: {},
  example: {},
  create: () => delayWhen(() => held),
});
const registry = createRegistry({ operators: [flaky, hold] });

let server: TestServer;
test.before(async () => {
  if (!redisServer) server = await startRedis();
});
test.after(() => server?.kill());

async function onStore<Result>(use: (store: Store) => Promise<Result>): Promise<Result> {
  const store = new Store(await connect(server.url));
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

const cheap = readFileSync(file, 'utf8');
/** The cheap pipeline with one more step. */
const cheapWith = (step: string) => cheap.replace('  - dice', `  - ${step}\n  - dice`);

/** Submits a pipeline into a folder of `root` with the name of the run. */
async function submitted(
  name: string,
  more: Partial<Submission> = {},
  text: string = cheap,
): Promise<Submitted> {
  const set = [`output=${join(root, name)}`, ...(more.set ?? [])];
  const files = [{ name: file, text }];
  const pipeline = await loadPipelineTexts(files, { set, registry });
  return onStore((store) =>
    submit(store, { files, pipeline, name, modelFolders: [], onWarning() {}, ...more, set }),
  );
}

/** Works until all cases are over. Returns the events too. */
async function worked(
  more: Partial<WorkOptions> = {},
): Promise<WorkResult & { events: (ObservedEvent & { run?: string })[] }> {
  const events: (ObservedEvent & { run?: string })[] = [];
  const result = await work(await connect(server.url, { patient: true }), {
    exitWhenDone: true,
    // So long that no busy machine loses a lock, and cases are tried once.
    stalledAfter: 30,
    attempts: 3,
    retryDelay: 0.1,
    load: (spec: RunSpec) => pipelineOf(spec, { registry, set: ['runtime.workers=1'] }),
    signal: new AbortController().signal,
    onEvent: (event, { run }) => void events.push({ ...event, run: run?.name }),
    ...more,
  });
  return { ...result, events };
}

const status = (name: string) => onStore(async (store) => (await queueStatus(store, name)).runs[0]);

/** The message of the error that a promise is rejected with. */
async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => assert.unreachable('it was not refused'),
    (error) => error,
  );
  assert.is(error.name, 'OptionError', error.message);
  return error.message;
}

const queueTest = (name: string, run: () => Promise<void>) => testNeeding(redisServer, name, run);

queueTest(
  'failures that may pass are tried again, bad input is not, and failed cases are on demand',
  async () => {
    const output = join(root, 'tries');
    await submitted('tries', {}, cheapWith('flaky'));
    const first = await worked({ run: 'tries' });
    assert.is(tries.get('ct_001'), 2);
    assert.is(tries.get('ct_002'), 1);
    const delayed = first.events.find(({ event }) => event === 'caseDelayed');
    const message = 'Unexpected: stale (set VOXSTREAM_DEBUG=1 to see where).';
    assert.equal(delayed, { event: 'caseDelayed', case: 'ct_001', step: 'flaky', message, run: 'tries' });
    assert.equal([first.done, first.failed, first.over], [10, 2, true]);
    const { done, failed, state } = await status('tries');
    assert.equal({ done, failed, state }, { done: 10, failed: 2, state: 'collected' });
    assert.match(readFileSync(join(output, 'failures.csv'), 'utf8'), /ct_002,flaky,The case is bad/);

    tries.set('ct_002', 2);
    assert.is(await onStore((store) => retryFailed(store, 'tries')), 2);
    assert.is((await status('tries')).waiting, 2);
    await worked({ run: 'tries' });
    // The cut off file is still bad.
    assert.not.match(readFileSync(join(output, 'failures.csv'), 'utf8'), /ct_002/);
    assert.match(readFileSync(join(output, 'metrics.csv'), 'utf8'), /ct_002/);
  },
);

queueTest('runs with a higher priority are worked on first, and a paused run waits', async () => {
  await submitted('later', { limit: 2 });
  await submitted('urgent', { limit: 2, priority: 5 });
  await submitted('paused', { limit: 2, priority: 9 });
  await onStore((store) => pause(store, 'paused'));
  assert.is((await status('paused')).state, 'paused');
  const stop = new AbortController();
  const order: string[] = [];
  const onEvent: WorkOptions['onEvent'] = (event, { run }) => {
    if (event.event === 'start') order.push(run?.name ?? '');
  };
  const working = worked({ signal: stop.signal, onEvent });
  while ((await status('later')).state !== 'collected')
    await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(order, ['urgent', 'later']);
  await onStore((store) => resume(store, 'paused'));
  assert.is((await working).over, true);
  assert.is((await status('paused')).done, 2);
});

queueTest('a drained worker finishes its cases and ends, and the others stay for the next one', async () => {
  await submitted('drained');
  let asked: Promise<number> | undefined;
  const onEvent: WorkOptions['onEvent'] = ({ event }) => {
    if (event === 'caseStart') asked ??= onStore((store) => drain(store, 'drained'));
  };
  const load: WorkOptions['load'] = (spec) =>
    pipelineOf(spec, { registry, set: ['runtime.workers=1', 'runtime.inFlight=1'] });
  const left = await worked({ run: 'drained', onEvent, load });
  assert.is(await asked, 1);
  assert.is(left.over, false);
  const rest = await status('drained');
  assert.ok(rest.active === 0 && rest.waiting + rest.done + rest.failed === 12, JSON.stringify(rest));
  assert.is((await worked({ run: 'drained' })).over, true);
  assert.is((await status('drained')).state, 'collected');
});

queueTest(
  'a cancelled run keeps its results, and submitting it again with --resume runs the others',
  async () => {
    const text = cheapWith('hold');
    await submitted('cancelled', {}, text);
    let cancelling: Promise<string> | undefined;
    const onEvent: WorkOptions['onEvent'] = ({ event }) => {
      if (event !== 'caseDone') return;
      cancelling ??= onStore((store) => cancel(store, 'cancelled'));
      held = cancelling;
    };
    await worked({ run: 'cancelled', onEvent });
    assert.is(await cancelling, 'cancelled');
    const output = join(root, 'cancelled');
    const results = new Results(output);
    const spec = await results.spec();
    const collected = await collect(results, spec, await pipelineOf(spec, { registry }));
    assert.ok(collected.done >= 1 && collected.problems.length === 0);
    assert.is(collected.done + collected.failed + collected.open, 12);
    assert.match(
      await refusal(submitted('cancelled', {}, text)),
      /holds \d+ finished case\(s\) of an earlier run/,
    );
    const again = await submitted('cancelled', { resume: true }, text);
    assert.is(again.skipped, collected.done);
    await worked({ run: 'cancelled' });
    const single = join(root, 'single');
    await runPipeline(await loadPipeline([file], { set: [`output=${single}`] }));
    assert.equal(resultsIn(output), resultsIn(single));
  },
);

queueTest(
  'a case that killed two workers is set aside as poisonous, and not one whose lock expired',
  async () => {
    await submitted('poison', { cases: ['ct_000', 'ct_001', 'ct_002'] });
    await onStore(async (store) => {
      const { key } = await store.run('poison');
      // BullMQ found them without a lock.
      for (const job of await (await store.queue(key)).getWaiting()) {
        await store.link.redis.hset(`vox:${key}:${job.id}`, 'stc', 1);
      }
      await store.noteOpen(key, 0, 'dead-1');
      await store.noteOpen(key, 1, 'dead-2');
      await store.noteKilled(key, 1, 'dead-1');
    });
    const { done, failed } = await worked({ run: 'poison' });
    assert.equal({ done, failed }, { done: 2, failed: 1 });
    const failures = readFileSync(join(root, 'poison/failures.csv'), 'utf8');
    assert.match(failures, /ct_001,worker,"It was open when the workers dead-1 and dead-2 died.*poisonous/);
  },
);

queueTest('runs that a worker must not mix are refused, and so are names that are taken', async () => {
  await submitted('mixed', { limit: 1 });
  assert.match(
    await refusal(submitted('mixed', { limit: 1 })),
    /The queue has a run with the name mixed that is not over.*--name.*voxstream cancel mixed/,
  );
  assert.match(
    await refusal(submitted('other', { set: [`output=${join(root, 'mixed')}`] })),
    /The queued run mixed writes to .*mixed/,
  );
  const plain = await loadPipeline([file], { set: [`output=${join(root, 'mixed')}`] });
  assert.match(await refusal(runPipeline(plain)), /The queued run mixed writes to/);
  assert.match(await refusal(submitted('a name', {})), /The name of the run is "a name", but it must be/);
  assert.match(await refusal(worked({ run: 'mxied' })), /there is no run "mxied"; did you mean "mixed"\?/);

  const submittedSpec = await new Results(join(root, 'mixed')).spec();
  const [model, other] = ['1', '2'].map((sha256) => ({ name: 'spleen', sha256, card: 'c' }));
  assert.throws(
    () => checkSame({ ...submittedSpec, models: [model] }, { identity: 'other', models: [other] }),
    /The model spleen of this worker is not the one that the run mixed was submitted with: its SHA-256 is 2, but 1/,
  );

  const change = (fields: Partial<RunSpec>) =>
    onStore(async (store) => {
      const { key, spec } = await store.run('mixed');
      await store.link.redis.hset(`vox:run:${key}`, 'spec', JSON.stringify({ ...spec, ...fields }));
      return spec;
    });
  const { version, identity } = await change({ version: '0.0.1' });
  assert.match(
    await refusal(worked({ run: 'mixed' })),
    /The run mixed was submitted by voxstream 0\.0\.1, but this worker is voxstream .* submit the run again/,
  );
  await change({ version, identity: 'other' });
  assert.match(
    await refusal(worked({ run: 'mixed' })),
    /pipeline of the run mixed has other options on this worker/,
  );
  // A worker for all runs leaves it alone, and says so.
  const { events } = await worked({});
  assert.match(JSON.stringify(events), /other options on this worker.*This worker leaves the run alone/);
  await change({ identity });
  assert.is((await worked({ run: 'mixed' })).done, 1);
  assert.ok(existsSync(join(root, 'mixed/run.json')));
  const { workers } = await onStore((store) => queueStatus(store));
  assert.ok(workers.length > 3 && workers.every(({ host, left }) => host === hostname() && left));
});

queueTest(
  'series of a DICOMweb server are queued without naming patients, and fetched by the worker',
  async () => {
    const slices = new Map([0, 1, 2].map((z) => [`1.2.3.4.${z + 1}`, buildDicom(sliceSet(z))]));
    const pacs = await FakeServer.start(({ url }) => {
      const parts = url.pathname.replace('/dicom-web', '').split('/');
      const found = slices.get(parts.at(-1) ?? '');
      if (found) return multipart(found);
      if (Number(url.searchParams.get('offset')) > 0) return { status: 204 };
      if (parts.at(-1) === 'series')
        return json({ '0020000E': '1.2.3.4', '00080060': 'CT', '00200011': 3, '00100020': 'SECRET-7' });
      const ct = '1.2.840.10008.5.1.4.1.1.2';
      return json(...[...slices.keys()].map((uid) => ({ '00080018': uid, '00080016': ct })));
    });
    const text = `source: { dicomweb: { url: '${pacs.url}', studies: ['1.2.3'] } }
steps: [load]
sinks: [{ nifti: { keys: image } }]
`;
    const files = [{ name: 'pacs.yaml', text }];
    const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`;
    const [single, queued] = ['pacs-single', 'pacs'].map((name) => [`output=${join(root, name)}`]);
    await runPipeline(await loadPipelineTexts(files, { set: single, registry }));
    const pipeline = await loadPipelineTexts(files, { set: queued, registry });
    await onStore(async (store) => {
      await submit(store, {
        files,
        set: queued,
        pipeline,
        name: 'pacs',
        modelFolders: [],
        onWarning() {},
        traceparent,
      });
      const { key } = await store.run('pacs');
      const chunk = JSON.stringify(await store.items(key, 0, pipeline.source.built));
      assert.match(chunk, /1\.2\.3\.4/);
      assert.not.match(chunk, /SECRET/);
    });
    const contexts = new Set<string | undefined>();
    const onEvent: WorkOptions['onEvent'] = (_, { run }) => void contexts.add(run?.traceparent);
    assert.is((await worked({ run: 'pacs', onEvent })).done, 1);
    assert.equal([...contexts], [traceparent], 'the context of the trace comes through the queue');
    assert.equal(resultsIn(join(root, 'pacs')), resultsIn(join(root, 'pacs-single')));
    await pacs.stop();
  },
);

queueTest('a run has workers and a ScaledObject of its own in Kubernetes', async () => {
  await submitted('Big_run.2', { limit: 1 });
  const bin = temporaryFolder();
  writeFileSync(join(bin, 'voxstream'), `#!/bin/sh\nexec '${process.execPath}' '${cli}' "$@"\n`, {
    mode: 0o755,
  });
  const yaml = execFileSync('bash', [join(project, 'deploy/kubernetes/run.sh'), 'Big_run.2'], {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${bin}:${process.env['PATH']}`, VOXSTREAM_QUEUE: server.url },
  });
  const [workers, scaled] = parseAllDocuments(yaml).map((document) => document.toJS());
  const { key } = await onStore((store) => store.run('Big_run.2'));
  assert.is(workers.metadata.name, 'voxstream-run-big-run-2');
  assert.equal(workers.spec.template.metadata.labels, workers.spec.selector.matchLabels);
  assert.equal(workers.spec.template.spec.containers[0].args.slice(0, 3), ['work', '--run', 'Big_run.2']);
  assert.is(scaled.spec.scaleTargetRef.name, workers.metadata.name);
  assert.is(scaled.spec.triggers[0].metadata.listName, `vox:${key}:wait`);
});

test.run();
