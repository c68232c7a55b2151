import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readVolume } from '#src/formats/index.js';
import { writeNifti } from '#src/formats/writeNifti.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { floats } from '#src/onnx/tensor.js';
import { parsePipeline } from '#src/pipeline/load.js';
import { synthDataset } from '#src/synth/dataset.js';
import { makeVolume, type Volume } from '#src/volume/volume.js';
import { graphOf } from '../onnx/models.js';
import { root, temporaryFolder, voxstream } from './harness.js';

const recipes = join(root, 'pipelines/recipes');
const folder = temporaryFolder();
const model = join(root, 'models/spleen_phantom');
const pixdim = '[2, 2, 3]';
const images = join(folder, 'set/imagesTr');
const [first, second] = (
  await synthDataset(join(folder, 'set'), { cases: 2, testCases: 0, seed: 3, size: [80, 76, 40] })
).training;

async function run(recipe: string, output: string, set: Record<string, string>): Promise<string> {
  const values = Object.entries({ output, ...set }).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
  const { code, stderr, stdout } = await voxstream([
    'run',
    join(recipes, `${recipe}.yaml`),
    '--device',
    'cpu',
    ...values,
  ]);
  assert.is(code, 0, `${stdout}${stderr}`);
  return stdout + stderr;
}

const read = (file: string) => readVolume(file, { kind: 'label' });
const reference = (id: string) => read(join(folder, `set/labelsTr/${id}.nii.gz`));

function dice({ data: a }: Volume, { data: b }: Volume, label = 1): number {
  let [both, either] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    if (a[i] === label && b[i] === label) both++;
    either += Number(a[i] === label) + Number(b[i] === label);
  }
  return (2 * both) / either;
}

/** The labels that the model finds with the spleen's own preprocessing. */
let plain: Volume;

test('per-organ writes one mask per label, named, on the grid of the image', async () => {
  const output = join(folder, 'organs');
  await run('per-organ', output, { images: join(images, '*.nii.gz'), model, pixdim });
  assert.equal(readdirSync(join(output, first)), ['spleen.nii.gz']);
  plain = await read(join(output, first, 'spleen.nii.gz'));
  const truth = await reference(first);
  assert.equal([plain.size, plain.affine], [truth.size, truth.affine]);
  assert.ok(dice(plain, truth) > 0.85, `${dice(plain, truth)}`);
});

test('probabilities keeps one channel per class beside the labels', async () => {
  const output = join(folder, 'probabilities');
  await run('probabilities', output, { images: join(images, `${first}.nii.gz`), model, pixdim });
  const labels = await read(join(output, `${first}_seg.nii.gz`));
  assert.equal(labels.data, plain.data, 'the labels do not change');
  const kept = await readVolume(join(output, `${first}_prob.nii.gz`), { kind: 'image' });
  assert.is(kept.channels, 2);
  const count = labels.data.length;
  for (let i = 0; i < count; i += 97) {
    const [background, spleen] = [kept.data[i], kept.data[count + i]];
    assert.ok(Math.abs(background + spleen - 1) < 1e-5);
    assert.is(spleen > background ? 1 : 0, labels.data[i]);
  }
});

test('two-stage segments a crop, and the whole volume where the first stage finds nothing', async () => {
  const output = join(folder, 'two');
  const blank = join(folder, 'blank');
  mkdirSync(blank);
  const ct = await readVolume(join(images, `${second}.nii.gz`), { kind: 'image' });
  await writeNifti(join(blank, 'air.nii.gz'), { ...ct, data: new Float32Array(ct.data.length).fill(-1000) });
  const set = { coarse: model, fine: model, coarsePixdim: pixdim, finePixdim: pixdim, margin: '10' };
  await run('two-stage', output, { ...set, images: join(images, `${first}.nii.gz`) });
  const labels = await read(join(output, `${first}_seg.nii.gz`));
  assert.equal([labels.size, labels.affine], [plain.size, plain.affine]);
  assert.ok(dice(labels, plain) > 0.85, `${dice(labels, plain)}`);
  const text = await run('two-stage', join(folder, 'air'), { ...set, images: join(blank, 'air.nii.gz') });
  assert.match(text, /no voxel of found is above 0, so the whole volume was kept/);
  const air = await read(join(folder, 'air/air_seg.nii.gz'));
  assert.equal(air.size, ct.size);
});

test('an ensemble of a model and itself is the model', async () => {
  const one = { images: join(images, `${first}.nii.gz`), models: `[${model}, ${model}]`, pixdim };
  await run('ensemble', join(folder, 'ensemble'), { ...one, mirror: '[]' });
  const labels = await read(join(folder, `ensemble/${first}_seg.nii.gz`));
  assert.ok(dice(labels, plain) > 0.999, `${dice(labels, plain)}`);
});

test('multi-channel joins four files into channels in order, and thresholds each channel', async () => {
  const size = [10, 8, 6] as const;
  const data = new Float32Array(480);
  for (let i = 0; i < 240; i++) data[i] = 1 + (i % 7);
  mkdirSync(join(folder, 'brats/case_1'), { recursive: true });
  for (const [i, name] of ['t1c', 't1', 't2', 'flair'].entries()) {
    await writeNifti(
      join(folder, `brats/case_1/${name}.nii.gz`),
      makeVolume({ data: data.map((value) => (value === 0 ? 0 : value * (1 + i) + i)), size }),
    );
  }
  // Three outputs: the channels t1c and flair, and the opposite of t1c.
  const weights = Float32Array.of(1, 0, 0, 0, 0, 0, 0, 1, -1, 0, 0, 0);
  const graph = graphOf(
    4,
    (builder, x) =>
      builder.addNode('Conv', [x, builder.addConstant('w', floats([3, 4, 1, 1, 1], weights))], {}),
    3,
  );
  const file = join(folder, 'channels.onnx');
  writeFileSync(file, writeModel(graph));
  await run('multi-channel', join(folder, 'multi'), {
    folder: join(folder, 'brats'),
    model: file,
    'inference.roiSize': '[10, 8, 6]',
  });
  const masks = await read(join(folder, 'multi/case_1_seg.nii.gz'));
  assert.is(masks.channels, 3);
  const [t1c, flair, opposite] = [0, 480, 960].map((from) =>
    Array.from(masks.data.subarray(from, from + 480)),
  );
  // Normalized over the voxels that are not 0, of which those above the mean are positive.
  const mean = data.reduce((sum, value) => sum + value, 0) / 240;
  assert.equal(
    t1c,
    Array.from(data, (value) => (value === 0 || value > mean ? 1 : 0)),
  );
  assert.equal(flair, t1c, 'each channel is normalized by itself');
  assert.equal(
    opposite,
    Array.from(data, (value) => (value === 0 || value < mean ? 1 : 0)),
  );
});

test('mr scales by percentiles, so that a factor in the intensities changes nothing', async () => {
  const mr = join(folder, 'mr');
  mkdirSync(mr);
  const ct = await readVolume(join(images, `${first}.nii.gz`), { kind: 'image' });
  for (const [name, factor] of [
    ['plain', 1],
    ['scaled', 4],
  ] as const) {
    const data = Float32Array.from(ct.data, (value) => Math.max(value + 200, 0) * factor);
    await writeNifti(join(mr, `${name}.nii.gz`), { ...ct, data });
  }
  await run('mr', join(folder, 'mr-out'), { images: join(mr, '*.nii.gz'), model, pixdim });
  const [a, b] = await Promise.all(
    ['plain', 'scaled'].map((name) => read(join(folder, `mr-out/${name}_seg.nii.gz`))),
  );
  assert.equal(a.size, ct.size);
  let different = 0;
  for (let i = 0; i < a.data.length; i++) if (a.data[i] !== b.data[i]) different++;
  assert.ok(different < a.data.length / 1e4, `${different}`);
});

test('every recipe is valid, says how to run it, and is in docs/recipes.md', () => {
  const page = readFileSync(join(root, 'docs/recipes.md'), 'utf8');
  const names = readdirSync(recipes);
  assert.is(names.length, 6);
  for (const name of names) {
    const text = readFileSync(join(recipes, name), 'utf8');
    assert.match(text, /^# yaml-language-server: .*\n#\n# .*\n(#.*\n)*# {3}voxstream /, name);
    assert.ok(parsePipeline(text, name).steps.length > 0);
    assert.ok(page.includes(`../pipelines/recipes/${name}`), name);
  }
});

test.run();
