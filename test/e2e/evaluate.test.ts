import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeNifti } from '#src/formats/writeNifti.js';
import { Random } from '#src/volume/random.js';
import { type Affine, makeVolume, type Vec3 } from '#src/volume/volume.js';
import { readCsv, temporaryFolder, voxstream } from './harness.js';

const size: Vec3 = [24, 20, 12];
const grid: Affine = [1, 0, 0, -10, 0, 1.5, 0, 5, 0, 0, 3, 40, 0, 0, 0, 1];

/** A ball of label 1 around a voxel, with a mirrored x axis if asked for. */
async function writeBall(file: string, centre: Vec3, radius: number, mirrored = false): Promise<void> {
  const [nx, ny, nz] = size;
  const data = new Uint8Array(nx * ny * nz);
  for (let i = 0; i < data.length; i++) {
    const at = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))];
    if (mirrored) at[0] = nx - 1 - at[0];
    if (Math.hypot(...at.map((value, axis) => value - centre[axis])) <= radius) data[i] = 1;
  }
  const affine = mirrored ? [-1, 0, 0, -10 + nx - 1, ...grid.slice(4)] : grid;
  await writeNifti(file, makeVolume({ data, size, affine, kind: 'label' }), { dtype: 'uint8' });
}

/**
 * Ten references; the predictions of nine of them, one on another grid and one empty; a damaged file; one too
 * many.
 */
async function tenPairs() {
  const root = temporaryFolder();
  const [pred, label] = ['pred', 'labelsTr'].map((name) => join(root, name));
  mkdirSync(pred);
  mkdirSync(label);
  writeFileSync(join(root, 'dataset.json'), JSON.stringify({ labels: { 0: 'background', 1: 'spleen' } }));
  const random = new Random(3);
  for (let i = 0; i < 10; i++) {
    const id = `ct_${i}`;
    const centre: Vec3 = [8 + random.integer(6), 9, 6];
    await writeBall(join(label, `${id}.nii.gz`), centre, 4);
    if (i === 2) continue;
    const radius = i === 5 ? -1 : 4 - (i % 3) / 2;
    await writeBall(join(pred, `${id}_seg.nii.gz`), centre, radius, i === 7);
  }
  const whole = readFileSync(join(pred, 'ct_8_seg.nii.gz'));
  writeFileSync(join(pred, 'ct_8_seg.nii.gz'), whole.subarray(0, whole.length / 2));
  await writeBall(join(pred, 'other.nii.gz'), [9, 9, 6], 3);
  return { root, args: ['evaluate', '--pred', pred, '--label', label, '--workers', '1'] };
}

test('evaluate compares what can be compared, and says of the rest why not', async () => {
  const { root, args } = await tenPairs();
  const out = join(root, 'out/scores.csv');
  const { code, stdout, stderr } = await voxstream([...args, '-o', out, '--verbose']);
  assert.is(code, 2);
  assert.match(
    readFileSync(join(root, 'out/.voxstream/run.log'), 'utf8'),
    /error of case ct_8: .*\n[\s\S]*\n {4,}at /,
  );
  assert.match(stderr, /1 prediction\(s\) fit no reference and are left out: .*other\.nii\.gz/);

  const rows = readCsv(out);
  assert.equal(
    rows.map((row) => row.case),
    ['ct_0', 'ct_1', 'ct_3', 'ct_4', 'ct_5', 'ct_6', 'ct_9'],
  );
  assert.equal(Object.keys(rows[0]), [
    ...['case', 'dice_spleen', 'iou_spleen', 'hd_spleen', 'hd95_spleen', 'assd_spleen', 'nsd_spleen'],
    ...['sensitivity_spleen', 'specificity_spleen', 'precision_spleen'],
    ...['volume_ml_spleen', 'volume_ml_ref_spleen', 'volume_difference_ml_spleen', 'volume_relative_spleen'],
  ]);
  assert.equal([rows[0].dice_spleen, rows[0].hd_spleen, rows[0].nsd_spleen], ['1', '0', '1']);
  const empty = rows[4];
  assert.equal([empty.dice_spleen, empty.hd_spleen, empty.precision_spleen], ['0', 'inf', '']);

  const failures = readCsv(join(root, 'out/failures.csv'));
  assert.equal(
    failures.map((row) => `${row.case} ${row.step}`),
    ['ct_2 source', 'ct_7 dice', 'ct_8 loadPred'],
  );
  assert.match(failures[0].message, /There is no prediction for case ct_2/);
  assert.match(failures[1].message, /different grids: .*"voxstream evaluate --resample"/);
  assert.match(failures[2].message, /ct_8_seg\.nii\.gz/);

  const { cases, metrics, missed } = JSON.parse(readFileSync(join(root, 'out/summary.json'), 'utf8'));
  assert.equal([cases, metrics.dice_spleen.n, metrics.hd_spleen.n], [7, 7, 6]);
  assert.equal([metrics.dice_spleen.minCase, metrics.hd_spleen.infinite], ['ct_5', ['ct_5']]);
  assert.equal(missed, { spleen: ['ct_5'] });
  assert.match(
    stdout,
    /spleen was missed in 1 of 7 cases;.* hd, hd95.* are infinite there and left out.*: ct_5\./,
  );
});

test('evaluate --resample puts predictions on the grid of the reference', async () => {
  const { root, args } = await tenPairs();
  const out = join(root, 'out/scores.csv');
  const options = ['--resample', '--metrics', 'dice,hd95,nsd', '--tolerance', '0', '--undefined-as', 'worst'];
  const { stdout } = await voxstream([...args, '-o', out, ...options]);
  const rows = readCsv(out);
  assert.equal(Object.keys(rows[0]), ['case', 'dice_spleen', 'hd95_spleen', 'nsd_spleen']);
  const [mirrored, same] = ['ct_7', 'ct_4'].map((id) => rows.find((row) => row.case === id)!);
  // Both have a radius of 3.5 about the centre of a ball of 4.
  assert.is(mirrored.dice_spleen, same.dice_spleen);
  assert.ok(Number(mirrored.dice_spleen) > 0.7);
  assert.match(
    stdout,
    /spleen was missed in 1 of \d cases;.*hd95 is infinite there and counted as [\d.]+: ct_5\./,
  );
});

test('evaluate --report makes a report, with pictures of the images where it is given them', async () => {
  const { root, args } = await tenPairs();
  const image = join(root, 'imagesTr');
  mkdirSync(image);
  for (const i of [0, 1]) await writeBall(join(image, `ct_${i}_0000.nii.gz`), [9, 9, 6], 8);
  await voxstream([
    ...args,
    '-o',
    join(root, 'out/m.csv'),
    '--metrics',
    'dice',
    '--report',
    '--image',
    image,
  ]);
  const cases = (id: string) => readdirSync(join(root, 'out/report/cases', id));
  assert.ok(cases('ct_1').includes('axial.png') && cases('ct_1').includes('axial-prediction.svg'));
  assert.ok(!cases('ct_3').includes('axial.png') && cases('ct_3').includes('axial-prediction.svg'));
  const page = readFileSync(join(root, 'out/report/index.html'), 'utf8');
  assert.match(page, /There is no prediction for case ct_2/);
  assert.match(page, /spleen was missed in 1 of 7 cases: <button[^>]*data-open="ct_5"/);
});

test('evaluate measures metrics of other packages, by the name of an operator or of a value', async () => {
  const { root, args } = await tenPairs();
  const module = join(root, 'excess.js');
  writeFileSync(
    module,
    `import { defineMetric } from ${JSON.stringify(new URL('../../../dist/author.js', import.meta.url).href)};
    const measure = ({ labels }) => labels.map(({ overlap }) => overlap.predicted - overlap.both);
    export default { metrics: [defineMetric({ name: 'excess', title: 'Excess', better: 'lower', measure })] };`,
  );
  const out = join(root, 'out/m.csv');
  await voxstream([...args, '-o', out, '--use', module, '--metrics', 'excess,asd,precision,sensitivity']);
  assert.equal(Object.keys(readCsv(out)[0]), [
    ...['case', 'excess_spleen', 'asd_spleen'],
    ...['sensitivity_spleen', 'specificity_spleen', 'precision_spleen'],
  ]);
  const { columns } = JSON.parse(readFileSync(join(root, 'out/run.json'), 'utf8'));
  assert.equal([columns.excess_spleen.title, columns.excess_spleen.better], ['Excess', 'lower']);
});

test('evaluate refuses to write over the results of another pipeline', async () => {
  const { root, args } = await tenPairs();
  const out = join(root, 'run');
  mkdirSync(out);
  writeFileSync(join(out, 'run.json'), JSON.stringify({ pipeline: { name: 'spleen-inference' } }));
  const { code, stderr } = await voxstream([...args, '-o', join(out, 'metrics.csv')]);
  assert.is(code, 1);
  assert.match(stderr, /holds the results of the pipeline "spleen-inference"/);
  assert.not.ok(existsSync(join(out, 'metrics.csv')));
});

test('evaluate names what is wrong with its options', async () => {
  const message = async (...more: string[]) => {
    const { code, stderr } = await voxstream([
      'evaluate',
      '--pred',
      '/nowhere',
      '--label',
      '/nowhere',
      ...more,
    ]);
    assert.is(code, 1);
    return stderr;
  };
  assert.match(await message('--metrics', 'dice,dize'), /there is no metric "dize"; did you mean "dice"\?/);
  assert.match(await message('--tolerance', '-1'), /must be a number of mm, 0 or more/);
  assert.match(
    await message('-o', join(temporaryFolder(), 'm.csv')),
    /\/nowhere \(source\.label\) does not exist\. Give a folder, a pattern/,
  );
});

test.run();
