import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadPipeline } from '#src/pipeline/load.js';
import { mergeShards } from '#src/pipeline/merge.js';
import { runPipeline } from '#src/pipeline/run.js';
import type { RunOptions } from '#src/pipeline/runOptions.js';
import { notesJson } from '#src/report/userNotes.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { temporaryFolder, voxstream } from '../e2e/harness.js';
import { cheapRun } from '../queue/cheapRun.js';
import { bucket, startS3 } from './s3Server.js';

const server = await startS3();
const cache = temporaryFolder();
Object.assign(process.env, server.env, { VOXSTREAM_CACHE: cache });
const runtime = createRuntime({ device: 'cpu', workers: 1 });
const { pipeline, predictions } = await cheapRun(6, { sinks: ', report' });
for (const folder of [predictions, join(predictions, '..', 'label')]) {
  for (const name of readdirSync(folder)) {
    await server.put(`set/${basename(folder)}/${name}`, readFileSync(join(folder, name)));
  }
}
test.after(async () => {
  await runtime.close();
  server.close();
});

async function run(output: string, options: RunOptions = {}): Promise<void> {
  const set = [`output=${output}`, ...['pred', 'label'].map((key) => `source.${key}=${at(`set/${key}`)}`)];
  await runPipeline(await loadPipeline([pipeline], { set }), { ...options, runtime });
}

const text = async (key: string) => (await server.get(key)).toString();
const at = (name: string) => `s3://${bucket}/${name}`;
const note = { flagged: true, text: 'Look here', changed: '2026-01-02T03:04:05.000Z' };
const notes = (id: string) => notesJson(new Map([[id, note]]));

test('shards in a bucket are merged into it, and have the tables of a single run', async () => {
  const whole = join(temporaryFolder(), 'whole');
  await run(whole);
  for (const index of [1, 2]) await run(at(`part-${index}`), { shard: { index, count: 2 } });
  const { code, stdout, stderr } = await voxstream(['merge', at('part-1'), at('part-2'), '-o', at('all')]);
  assert.is(code, 2, stderr);
  assert.is(stdout, `2 shard(s) merged into ${at('all')}: 5 case(s) done, 1 failed\n`);
  for (const name of ['metrics.csv', 'summary.json', 'failures.csv']) {
    assert.is(await text(`all/${name}`), readFileSync(join(whole, name), 'utf8'), name);
  }
  assert.match(await text('all/report/index.html'), /ct_005/);
  assert.match(await text('all/run.json'), /"folder": "s3:\/\/data\/part-1"/);
  await mergeShards([at('part-1')], at('one')).then(
    () => assert.unreachable('a shard is missing'),
    (error) => assert.match(error.message, /^Shard 2 of 2 is missing\. Give all folders/),
  );
});

test('the report of a run in a bucket is made there, with pictures and notes', async () => {
  await server.put('part-1/report/notes.json', notes('ct_002'));
  const lost = (await server.keys('part-1/report/cases/ct_002/')).filter((key) => key.endsWith('.svg'));
  assert.ok(lost.length > 3);
  for (const key of lost) await server.remove(key);
  const { code, stdout, stderr } = await voxstream(['report', at('part-1')]);
  assert.is(code, 0, stderr);
  assert.is(stdout, `${at('part-1')}/report/index.html: 2 case(s), 1 failed, pictures drawn of 1\n`);
  assert.equal(
    (await server.keys('part-1/report/cases/ct_002/')).filter((key) => key.endsWith('.svg')),
    lost,
  );
  assert.match(await text('part-1/report/index.html'), /Look here/);
  // So does a run that continues.
  await server.put('part-2/report/notes.json', notes('ct_001'));
  await run(at('part-2'), { shard: { index: 2, count: 2 }, resume: true });
  assert.match(await text('part-2/report/index.html'), /Look here/);
});

test('runs in a bucket are compared, and the page is written there', async () => {
  const table = at('all/metrics.csv');
  const { code, stdout, stderr } = await voxstream([
    'compare',
    at('part-1'),
    table,
    '-o',
    at('pairs.csv'),
    '--report',
    at('comparison'),
  ]);
  assert.is(code, 0, stderr);
  assert.match(stdout, /^A: s3:\/\/data\/part-1\nB: s3:\/\/data\/all\/metrics\.csv\n/);
  assert.match(await text('pairs.csv'), /^case,metric,a,b,difference\nct_000,/);
  assert.match(await text('comparison/index.html'), /s3:\/\/data\/part-1/);
  assert.ok(!existsSync('comparison'));
  assert.equal(readdirSync(join(cache, 'outputs')), [], 'no copies are left');
  assert.equal(readdirSync(join(cache, 'files/open')), []);
});

test.run();
