import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tap } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Case, makeCase } from '#src/case.js';
import { cache } from '#src/operators/cache.js';
import { parsePipeline } from '#src/pipeline/load.js';
import { runPipeline } from '#src/pipeline/run.js';
import { makeVolume } from '#src/volume/volume.js';
import { valuesNamed } from '../metrics/values.js';
import { refused, through } from '../shared.js';

const folder = mkdtempSync(join(tmpdir(), 'voxstream-cache-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'image.nii.gz');
writeFileSync(file, 'one');

const image = makeVolume({
  data: Float32Array.from({ length: 300 }, (_, i) => (i % 2 ? -2 : 1.5)),
  size: [300, 1, 1],
  affine: [2, 0, 0, 10, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
});
const label = makeVolume({
  data: Uint8Array.of(0, 1),
  size: [2, 1, 1],
  kind: 'label',
  labelNames: { 1: 'spleen' },
});
const subject = makeCase({
  id: 'a/b',
  files: { image: file },
  volumes: { image, label },
  metrics: valuesNamed({ dice_spleen: 0.5, hd95_spleen: Number.POSITIVE_INFINITY, asd_mean: Number.NaN }),
});

/** Steps that count how often they run. */
function counting(description: unknown = 'steps') {
  const seen: string[] = [];
  const operator = tap<Case>(({ id }) => seen.push(id));
  return { seen, wrapped: { operator, description } };
}

test('cache runs the cached steps once and keeps the result in memory', async () => {
  const { seen, wrapped } = counting();
  const dir = join(folder, 'unused');
  const cached = cache(wrapped, { dir });
  const first = await through(cached, { ...subject, epoch: 1 });
  const again = await through(cached, { ...subject, epoch: 2 });
  assert.equal(seen, ['a/b']);
  assert.is(again.volumes.image, first.volumes.image);
  assert.is(again.epoch, 2, 'what the case is now is kept');
  assert.throws(() => readdirSync(dir), /ENOENT/);
});

test('cache writes to disk what does not fit in memory, and later runs reuse it until files or steps change', async () => {
  const dir = join(folder, 'disk');
  const options = { dir, memory: 1024 };
  const { seen, wrapped } = counting();
  await Promise.all([
    through(cache(wrapped, options), subject),
    through(cache(wrapped, options), { ...subject, id: 'c' }),
  ]);
  assert.equal(readdirSync(dir).length, 2);
  const next = counting();
  const read = await through(cache(next.wrapped, options), subject);
  assert.equal(next.seen, []);
  assert.equal({ ...read.volumes.image }, { ...image });
  assert.equal({ ...read.volumes.label }, { ...label });
  assert.equal(read.metrics, subject.metrics);
  assert.ok(read.volumes.image.data.buffer instanceof SharedArrayBuffer);

  const other = counting('other steps');
  await through(cache(other.wrapped, options), subject);
  assert.equal(other.seen, ['a/b']);
  writeFileSync(file, 'another');
  const changed = counting();
  await through(cache(changed.wrapped, options), subject);
  assert.equal(changed.seen, ['a/b']);
  assert.is(seen.length, 2);
});

test('a damaged file is rebuilt', async () => {
  const dir = join(folder, 'damaged');
  const options = { dir, memory: 1024 };
  await through(cache(counting().wrapped, options), subject);
  const [name] = readdirSync(dir);
  const whole = readFileSync(join(dir, name));
  for (const bytes of [
    whole.subarray(0, whole.length - 1),
    whole.subarray(0, 15),
    Buffer.from('something else'),
  ]) {
    writeFileSync(join(dir, name), bytes);
    const { seen, wrapped } = counting();
    const made = await through(cache(wrapped, options), subject);
    assert.equal([seen, { ...made.volumes.image }], [['a/b'], { ...image }]);
    assert.equal(readFileSync(join(dir, name)), whole);
  }
});

test('in a pipeline, cache takes over the steps before it, and is rejected as the first step', async () => {
  refused(
    () => cache(undefined as never),
    /cache stores the results of the steps before it, but it is the first step/,
  );
  const pipeline = parsePipeline(
    JSON.stringify({
      output: join(folder, 'run'),
      source: { glob: { image: file } },
      steps: ['load', { cache: { memory: 1024, dir: join(folder, 'run-cache') } }],
    }),
  );
  const { failures } = await runPipeline(pipeline);
  assert.equal(
    failures.map(({ step }) => step),
    ['load'],
    'the step inside is named',
  );
});

test('run rejects steps that split cases', async () => {
  const pipeline = parsePipeline(
    `{ output: ${join(folder, 'split')}, source: { glob: { image: '${file}' } }, steps: [{ randCropByPosNegLabel: { spatialSize: 2 } }] }`,
  );
  const error = await runPipeline(pipeline).catch((fault) => fault);
  assert.match(error.message, /The step randCropByPosNegLabel splits a case into several/);
});

test.run();
