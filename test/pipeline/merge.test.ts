import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Journal } from '#src/pipeline/journal.js';
import { loadPipeline } from '#src/pipeline/load.js';
import { type MergeOptions, mergeShards } from '#src/pipeline/merge.js';
import { runPipeline } from '#src/pipeline/run.js';
import type { RunOptions } from '#src/pipeline/runOptions.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { temporaryFolder } from '../e2e/harness.js';
import { cheapRun } from '../queue/cheapRun.js';

const runtime = createRuntime({ device: 'cpu', workers: 1 });
const root = temporaryFolder();
const { pipeline, predictions } = await cheapRun(27, { sinks: ', report' });
test.after(() => runtime.close());

/** Runs a part of the dataset into a folder of `root`. */
async function run(name: string, options: RunOptions = {}, set: readonly string[] = []): Promise<string> {
  const output = join(root, name);
  const loaded = await loadPipeline([pipeline], { set: [`output=${output}`, ...set] });
  await runPipeline(loaded, { ...options, runtime });
  return output;
}

const shard = (index: number, count: number) => ({ shard: { index, count } });

const whole = await run('whole');
const shards: string[] = [];
for (let i = 1; i <= 8; i++) shards.push(await run(`part-${i}`, shard(i, 8)));

const tables = ['metrics.csv', 'summary.json', 'failures.csv'];

test('eight merged shards have the tables of a single run, byte for byte, and its report', async () => {
  const output = join(root, 'merged');
  // In any order.
  const merged = await mergeShards([...shards].reverse(), output);
  assert.equal(merged, { done: 24, failed: 3, unfinished: 0, problems: [] });
  for (const name of tables) {
    assert.is(readFileSync(join(output, name), 'utf8'), readFileSync(join(whole, name), 'utf8'), name);
  }
  const first = readFileSync(join(whole, 'metrics.csv'), 'utf8').split('\n')[0];
  assert.match(first, /dice_2/, 'columns differ between cases');
  const record = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
  assert.is(record.cases, 27);
  assert.is(record.merged.length, 8);
  const drawn = join('report/cases/ct_013/case.json');
  assert.is(readFileSync(join(output, drawn), 'utf8'), readFileSync(join(whole, drawn), 'utf8'));
  assert.match(readFileSync(join(output, 'report/index.html'), 'utf8'), /ct_026/);
  // It is the folder of a run: merging again replaces only its own files.
  assert.is((await new Journal(output).read()).size, 24);
  assert.is((await mergeShards(shards, output)).done, 24);
});

/** The message with which a merge is refused, with `root` left out. */
async function refusal(
  folders: readonly string[],
  options?: MergeOptions,
  output = 'refused',
): Promise<string> {
  const error = await mergeShards(folders, join(root, output), options).then(
    () => assert.unreachable('the merge was not refused'),
    (error) => error,
  );
  assert.is(error.name, 'OptionError');
  assert.not.ok(existsSync(join(root, 'refused')), 'nothing was written');
  return error.message.replaceAll(`${root}/`, '');
}

test('shards that do not belong together are refused', async () => {
  const [one, ...others] = shards;
  assert.is(
    await refusal([one, ...others.slice(2)]),
    'Shard 2 and 3 of 8 are missing. Give all folders, or --partial to merge without them.',
  );
  assert.is(
    await refusal([...shards, one]),
    'part-1 and part-1 do not belong together: both are shard 1/8. Give each shard once.',
  );
  assert.match(await refusal([whole]), /^whole\/run\.json is not of a shard/);
  assert.match(await refusal([root]), /is not the folder of a run/);
  assert.match(await refusal(shards, {}, 'part-3'), /^part-3 is a shard, so it cannot be the output folder/);

  const ofThree = await run('of-3', shard(2, 3));
  assert.match(await refusal([one, ofThree]), /: one is a part of 8, and the other one of 3\.$/);
  const seeded = await run('seeded', shard(2, 8), ['runtime.seed=1']);
  assert.match(await refusal([one, seeded]), /: their pipelines differ: the seeds are 0 and 1\.$/);
  const measured = await run('measured', shard(2, 8), ['dice.includeBackground=true']);
  assert.match(await refusal([one, measured]), /: their pipelines differ: step 3 is \{ dice: \{ .*true/);
});

/** A copy of a shard with a changed run.json. */
function changed(name: string, change: (record: Record<string, unknown>) => object): string {
  const folder = join(root, name);
  cpSync(shards[1], folder, { recursive: true });
  const file = join(folder, 'run.json');
  const record = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...record, ...change(record) }));
  return folder;
}

test('shards of other models, versions or datasets, and unfinished ones, are refused', async () => {
  const [one] = shards;
  const models = changed('models', () => ({ models: [{ name: 'spleen', sha256: 'ab'.repeat(32) }] }));
  assert.match(await refusal([one, models]), /: their models differ: none, and spleen \(SHA-256 ab/);
  const version = changed('version', () => ({ voxstream: '0.0.1' }));
  assert.match(await refusal([one, version]), /made by voxstream .* and 0\.0\.1/);
  const dataset = changed('dataset', () => ({ dataset: 'other' }));
  assert.match(await refusal([one, dataset]), /: the lists of cases in their datasets differ/);

  const killed = changed('killed', () => ({ seconds: undefined }));
  rmSync(join(killed, '.voxstream/journal.jsonl'));
  const rest = shards.filter((_, i) => i !== 1);
  assert.match(
    await refusal([...rest, killed]),
    /^killed \(shard 2\/8\) is unfinished: 4 of 4 case\(s\) are open\. Continue it with --resume/,
  );
  const { done, unfinished } = await mergeShards([...rest, killed], join(root, 'partial'), { partial: true });
  assert.equal({ done, unfinished }, { done: 20, unfinished: 4 });
  assert.ok(existsSync(predictions));
});

test.run();
