import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase } from '#src/case.js';
import { writeNifti } from '#src/formats/writeNifti.js';
import { parseCard } from '#src/models/card.js';
import { rangeCheck, rangeFault } from '#src/operators/inputRange.js';
import { comparerFor, differenceText, expectationLines } from '#src/pipeline/expectations.js';
import { parsePipeline } from '#src/pipeline/load.js';
import { checkStrictly } from '#src/pipeline/plan.js';
import { runPipeline } from '#src/pipeline/run.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { makeVolume } from '#src/volume/volume.js';
import { temporaryFolder } from '../e2e/harness.js';
import { fails } from '../formats/buildNifti.js';

const folder = temporaryFolder();
const image = join(folder, 'ct_1.nii');
await writeNifti(
  image,
  makeVolume({
    data: new Int16Array(8 * 9 * 10),
    size: [8, 9, 10],
    affine: [-4, 0, 0, 0, 0, -4, 0, 0, 0, 0, 5, 0, 0, 0, 0, 1],
  }),
);

/** A pipeline that runs the phantoms' model, whose card states RAS, 2 x 2 x 3 mm and a range of HU. */
function pipelineOf(...steps: object[]) {
  const all = ['load', ...steps, { inference: { model: 'spleen_phantom' } }];
  const source = { glob: { image } };
  return parsePipeline(JSON.stringify({ name: 'p', output: join(folder, 'out'), source, steps: all }));
}

const orient = { orient: { axcodes: 'RAS' } };
const spacing = { spacing: { pixdim: [2, 2, 3] } };
const scale = { scaleIntensityRange: { aMin: -57, aMax: 164, bMin: 0, bMax: 1, clip: true } };

async function compare(...steps: object[]) {
  const runtime = createRuntime();
  try {
    const comparer = await comparerFor(pipelineOf(...steps), runtime);
    return await comparer!(makeCase({ id: 'ct_1', files: { image } }));
  } finally {
    await runtime.close();
  }
}

const differing = (rows: Awaited<ReturnType<typeof compare>>) =>
  rows.filter(({ same }) => !same).map(({ what, expects, gets }) => [what, expects, gets]);

test('steps that deliver what the card states do not differ from it', async () => {
  const rows = await compare(orient, spacing, scale);
  assert.equal(
    rows.map(({ what, same }) => [what, same]),
    [
      ['orientation', true],
      ['voxel size', true],
      ['channel count', true],
      ['values', true],
      ['step scaleIntensityRange', true],
    ],
  );
});

test('orientation, voxel size and intensities that differ from the card are found before a voxel is read', async () => {
  assert.equal(differing(await compare()), [
    ['orientation', 'RAS', 'LPS'],
    ['voxel size', '2 x 2 x 3 mm', '4 x 4 x 5 mm'],
    ['step scaleIntensityRange', '{ aMin: -57, aMax: 164, bMin: 0, bMax: 1, clip: true }', 'no such step'],
  ]);
  const wide = { scaleIntensityRange: { aMin: -57, aMax: 300, bMin: 0, bMax: 1, clip: true } };
  assert.equal(differing(await compare(orient, spacing, wide)), [
    [
      'step scaleIntensityRange',
      '{ aMin: -57, aMax: 164, bMin: 0, bMax: 1, clip: true }',
      '{ aMin: -57, aMax: 300, bMin: 0, bMax: 1, clip: true }',
    ],
  ]);
  const rows = await compare(orient, scale);
  assert.is(
    differenceText(rows[1], 'case ct_1'),
    'The model spleen_phantom (inference) expects voxel size 2 x 2 x 3 mm, but it gets 4 x 4 x 5 mm (case ct_1). ' +
      'The results may be wrong. Change the steps before it, or correct input on its card.',
  );
  assert.equal(expectationLines(rows, 'case ct_1').slice(0, 3), [
    'Model spleen_phantom (inference), for case ct_1',
    '  orientation: RAS, as expected',
    '  voxel size: expects 2 x 2 x 3 mm, gets 4 x 4 x 5 mm',
  ]);
});

test('a strict run of such a pipeline does not start, and another one warns', async () => {
  await fails(
    runPipeline(pipelineOf(orient, scale), { strict: true }),
    'expects voxel size 2 x 2 x 3',
    '--strict',
  );
  // So does its plan.
  const runtime = createRuntime();
  await fails(checkStrictly(pipelineOf(orient, scale), {}, runtime), 'expects voxel size 2 x 2 x 3');
  await checkStrictly(pipelineOf(orient, spacing, scale), {}, runtime);
  await runtime.close();
  const warnings: string[] = [];
  await runPipeline(pipelineOf(orient, scale), {
    onEvent: (event) => event.event === 'warning' && warnings.push(event.message),
  });
  assert.is(warnings.filter((text) => text.includes('expects voxel size')).length, 1, warnings.join('\n'));
});

test('values that leave the range on the card are reported once, or fail a strict case', () => {
  const card = parseCard({ name: 'm', input: { valueRange: [0, 1] } }, 'card');
  const volumeOf = (low: number, high: number) =>
    makeVolume({ data: Float32Array.of(low, high), size: [2, 1, 1] });
  assert.is(rangeFault(volumeOf(-0.05, 1.05), 'image', card), undefined);
  assert.match(
    rangeFault(volumeOf(-1024, 3071), 'image', card)!,
    /from 0 to 1, but image has values from -1024 to 3071/,
  );
  assert.is(rangeFault(volumeOf(-1024, 3071), 'image', parseCard({ name: 'm' }, 'card')), undefined);
  const warnings: string[] = [];
  const check = rangeCheck(false, (text) => warnings.push(text));
  check(volumeOf(0, 9), 'image of case a', card);
  check(volumeOf(0, 9), 'image of case b', card);
  assert.is(warnings.length, 1);
  assert.throws(
    () => rangeCheck(true, () => {})(volumeOf(0, 9), 'image', card),
    /expects values from 0 to 1/,
  );
});

test('a card with wrong axis codes, voxel sizes or steps is refused', () => {
  const wrong = (input: object) => () => parseCard({ name: 'm', input }, 'card');
  assert.throws(wrong({ axcodes: 'RAR' }), /input\.axcodes is "RAR": it must hold one letter/);
  assert.throws(wrong({ spacing: [1, 0, 1] }), /input\.spacing\.1 is 0/);
  assert.throws(wrong({ preprocessing: [{ a: {}, b: {} }] }), /input\.preprocessing/);
});

test.run();
