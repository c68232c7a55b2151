import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase } from '#src/case.js';
import { readVolume } from '#src/formats/index.js';
import { writeNifti } from '#src/formats/writeNifti.js';
import { ZipArchive } from '#src/formats/zip.js';
import { cachedNnunet } from '#src/models/nnunet/cachedModel.js';
import { load } from '#src/operators/load.js';
import { nnunet } from '#src/operators/nnunet.js';
import { type TotalsegOptions, totalseg } from '#src/operators/totalseg.js';
import { loadPipeline } from '#src/pipeline/load.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { axisMap, orientationOf, parseAxcodes } from '#src/volume/orientation.js';
import { Random } from '#src/volume/random.js';
import { mapAxes } from '#src/volume/reorient.js';
import { makeVolume, type Triple, type Vec3, type Volume, voxelCount } from '#src/volume/volume.js';
import { shared, sharedPath, testNeeding } from '../needs.js';
import { through } from '../shared.js';
import { fixtures, readCsv, temporaryFolder, voxstream } from './harness.js';

process.env['VOXSTREAM_CACHE'] = temporaryFolder();
const runtime = createRuntime({ device: 'cpu' });
test.after(() => runtime.close());
const context = { id: 'totalseg', runtime };

const trainer = 'nnUNetTrainer_4000epochs_NoMirroring__nnUNetPlans__3d_fullres';

/** A folder of weights: the fixtures' networks as models of TotalSegmentator. */
function weightsFolder(): string {
  const folder = temporaryFolder();
  for (const [name, mm, from = 'trained', by = trainer] of [
    ['Dataset297_TotalSegmentator_total_3mm_1559subj', 3],
    ['Dataset298_TotalSegmentator_total_6mm_1559subj', 6],
    ['Dataset300_body_6mm_1559subj', 6, 'rough', 'nnUNetTrainer__nnUNetPlans__3d_fullres'],
    ['Dataset852_TotalSegMRI_total_3mm', 3, 'rough', trainer.replace('4000', '2000')],
    ['Dataset901_rough', 3, 'rough'],
    ['Dataset902_cascade', 3, 'cascade'],
  ] as const) {
    const place = join(folder, name, by);
    cpSync(join(fixtures, 'totalseg', from), place, { recursive: true });
    const plans = readFileSync(join(place, 'plans.json'), 'utf8');
    writeFileSync(join(place, 'plans.json'), plans.replace(/3\.0,\s*3\.0,\s*3\.0/, `${mm}, ${mm}, ${mm}`));
  }
  return folder;
}

const weights = weightsFolder();

/** A blurred noise of 3 mm voxels in RAS, in HU. */
function phantom(): Volume {
  const size: Triple = [26, 22, 20];
  const random = new Random(3);
  const noise = Float32Array.from({ length: voxelCount(size) }, () => random.uniform(-900, 900));
  const data = Int16Array.from(noise, (value, i) => (value + (noise[i - 1] ?? 0) + (noise[i - 26] ?? 0)) / 3);
  return makeVolume({ size, data, affine: [3, 0, 0, -40, 0, 3, 0, 10, 0, 0, 3, 5, 0, 0, 0, 1] });
}

const labelsOf = (volume: Volume) => new Set(volume.data);

test('on an image of 3 mm, totalseg gives the labels of its model', async () => {
  const subject = makeCase({ id: 'a', volumes: { image: phantom() } });
  const { volumes } = await through(totalseg({ fast: true, weights }, context), subject);
  const dataset = join(weights, 'Dataset297_TotalSegmentator_total_3mm_1559subj', trainer);
  const { folder } = await cachedNnunet(dataset, {});
  const alone = await through(nnunet({ model: folder, mirroring: false, stepSize: 0.8 }, context), subject);
  assert.equal(labelsOf(volumes.pred), new Set([0, 1, 2]));
  assert.equal(volumes.pred.data, alone.volumes.pred.data);
  assert.is(volumes.pred.labelNames?.[5], 'liver');
});

test('without a voxel of the structures, nothing is segmented', async () => {
  // The fixture's network has no liver.
  const subject = makeCase({ id: 'a', volumes: { image: phantom() } });
  const roi = totalseg({ fast: true, roiSubset: ['liver'], weights }, context);
  const { volumes, notes } = await through(roi, subject);
  assert.equal(volumes.pred.size, [26, 22, 20]);
  assert.equal(labelsOf(volumes.pred), new Set([0]));
  assert.match(notes?.join() ?? '', /no voxel of pred_mask is above 0/);
});

/** Air with a block of noise, so that a mask of the block has a box. */
function blockPhantom(): Volume {
  const { size, affine, data } = phantom();
  const [nx, ny] = size;
  const inBlock = (i: number) => {
    const [x, y, z] = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / nx / ny)];
    return x >= 9 && x < 16 && y >= 8 && y < 14 && z >= 7 && z < 12;
  };
  return makeVolume({
    size,
    affine,
    data: Int16Array.from(data, (value, i) => (inBlock(i) ? value : -1000)),
  });
}

const tasksFile = join(temporaryFolder(), 'tasks.json');
const cropped = { resample: 3, trainer: 'nnUNetTrainer_4000epochs_NoMirroring', crop: ['rock'] };
const byRough = { ...cropped, crop_model: 'rough', crop_addon: [7, 10, 4] };
writeFileSync(
  tasksFile,
  JSON.stringify({
    classes: Object.fromEntries(
      ['rough', 'plain', 'fine', 'near', 'second'].map((task) => [task, { 1: 'rock', 2: 'stone' }]),
    ),
    tasks: {
      rough: { ...cropped, crop: undefined, task_id: 901 },
      plain: { ...cropped, crop: undefined, task_id: 297 },
      fine: { ...byRough, task_id: 297 },
      near: { ...byRough, task_id: 297, remove_outside: ['rock'], remove_outside_dilation: 7 },
      second: { ...byRough, task_id: 902, cascade: true },
    },
  }),
);

async function labelled(image: Volume, options: Partial<TotalsegOptions>): Promise<Volume> {
  const subject = makeCase({ id: 'a', volumes: { image } });
  const asked = totalseg({ weights, tasks: tasksFile, ...options }, context);
  return (await through(asked, subject)).volumes.pred;
}

interface Box {
  readonly start: Vec3;
  readonly size: Vec3;
}

/** The box of a mask, some voxels larger on each side. */
function boxOf({ size, data }: Volume, margin: Vec3): Box {
  const inside = [...data.keys()].filter((i) => data[i] !== 0).map((i) => positionOf(i, size));
  const ends = [0, 1, 2].map((axis) => {
    const along = inside.map((position) => position[axis]);
    const least = Math.max(0, Math.min(...along) - margin[axis]);
    return [least, Math.min(size[axis], Math.max(...along) + 1 + margin[axis]) - least];
  });
  return { start: ends.map(([at]) => at) as Triple, size: ends.map(([, length]) => length) as Triple };
}

const positionOf = (i: number, [nx, ny]: Vec3): Triple => [
  i % nx,
  Math.floor(i / nx) % ny,
  Math.floor(i / nx / ny),
];
const indexIn = ([x, y, z]: Vec3, [nx, ny]: Vec3) => (z * ny + y) * nx + x;

/** The part of a volume in a box. */
function partOf(volume: Volume, { start, size }: Box): Volume {
  const data = volume.data.slice(0, voxelCount(size));
  for (const i of data.keys()) {
    const at = positionOf(i, size).map((along, axis) => along + start[axis]) as Triple;
    data[i] = volume.data[indexIn(at, volume.size)];
  }
  return makeVolume({ ...volume, size, data });
}

/** The labels of a box in a larger volume, with 0 around them. */
function inside(part: Volume, { start }: Box, size: Vec3): number[] {
  const labels = Array.from({ length: voxelCount(size) }, () => 0);
  for (const [i, label] of part.data.entries()) {
    const at = positionOf(i, part.size).map((along, axis) => along + start[axis]) as Triple;
    labels[indexIn(at, size)] = label;
  }
  return labels;
}

/** A mask with its neighbours across faces, so many times over. */
function grown(mask: readonly boolean[], size: Vec3, steps: number): readonly boolean[] {
  if (steps === 0) return mask;
  const next = mask.map((set, i) => {
    const at = positionOf(i, size);
    const isSet = (axis: number, by: number) => {
      const to = at.map((along, other) => (other === axis ? along + by : along)) as Triple;
      return to[axis] >= 0 && to[axis] < size[axis] && mask[indexIn(to, size)];
    };
    return set || [0, 1, 2].some((axis) => isSet(axis, -1) || isSet(axis, 1));
  });
  return grown(next, size, steps - 1);
}

test('crops by another task, by the body and for MR segment the box, with its margin in mm, alone', async () => {
  const image = blockPhantom();
  const cases: { rough: Partial<TotalsegOptions>; margin: Triple; asked: object; fine: object }[] = [
    { rough: { task: 'rough' }, margin: [2, 3, 1], asked: { task: 'fine' }, fine: { task: 'plain' } },
    {
      rough: { task: 'body', fast: true },
      margin: [1, 1, 1],
      asked: { fast: true, bodySeg: true },
      fine: { fast: true },
    },
    {
      rough: { task: 'total_mr', fast: true },
      margin: [6, 6, 6],
      asked: { task: 'total_mr', fast: true, roiSubset: ['spleen'] },
      fine: { task: 'total_mr', fast: true },
    },
  ];
  for (const { rough, margin, asked, fine } of cases) {
    const box = boxOf(await labelled(image, rough), margin);
    assert.ok(voxelCount(box.size) < voxelCount(image.size), 'the crop must leave something out');
    const result = await labelled(image, asked);
    const expected = inside(await labelled(partOf(image, box), fine), box, image.size);
    assert.ok(new Set(expected).size > 1, 'the box must have a label');
    assert.equal([...result.data], expected, JSON.stringify(asked));
  }
});

test('remove_outside keeps labels near the rough segmentation only', async () => {
  const image = blockPhantom();
  const rough = await labelled(image, { task: 'rough' });
  const fine = await labelled(image, { task: 'fine' });
  // 7 mm are two voxels.
  const near = grown(
    Array.from(rough.data, (label) => label !== 0),
    image.size,
    2,
  );
  const result = await labelled(image, { task: 'near' });
  assert.equal(
    [...result.data],
    Array.from(fine.data, (label, i) => (near[i] ? label : 0)),
  );
  assert.not.equal(result.data, fine.data);
});

test('a cascade gives the cropped rough mask to the model as its second channel', async () => {
  const image = blockPhantom();
  const rough = await labelled(image, { task: 'rough' });
  const box = boxOf(rough, [2, 3, 1]);
  const channels = [partOf(image, box), partOf(rough, box)].map(({ data }) => [...data]);
  const both = makeVolume({
    ...partOf(image, box),
    data: Float32Array.from(channels.flat()),
    channels: 2,
  });
  const { folder } = await cachedNnunet(join(weights, 'Dataset902_cascade', trainer), {});
  const step = nnunet({ model: folder, mirroring: false, stepSize: 0.5 }, context);
  const { volumes } = await through(step, makeCase({ id: 'a', volumes: { image: both } }));
  const result = await labelled(image, { task: 'second' });
  assert.equal([...result.data], inside(volumes.pred, box, image.size));
});

test('voxstream totalseg: a folder of images with a broken one, masks, statistics and --resume', async () => {
  const folder = temporaryFolder();
  const [input, output] = [join(folder, 'in'), join(folder, 'out')];
  mkdirSync(input);
  const image = phantom();
  const turned = mapAxes(image, axisMap(orientationOf(image.affine), parseAxcodes('PIL')));
  await writeNifti(join(input, 'a.nii.gz'), image, { dtype: 'int16' });
  await writeNifti(join(input, 'b.nii.gz'), turned, { dtype: 'int16' });
  writeFileSync(join(input, 'broken.nii.gz'), 'not an image');
  const words = [
    'totalseg',
    '-i',
    input,
    '-o',
    output,
    '--fast',
    '-rs',
    'spleen',
    'kidney_right',
    '--statistics',
  ];
  const options = [...words, '--weights', weights, '-d', 'cpu'];
  const first = await voxstream(options);
  assert.is(first.code, 2, first.stderr);
  const failures = readCsv(join(output, 'failures.csv'));
  assert.equal(
    failures.map((row) => row['case']),
    ['broken'],
  );
  assert.equal(readdirSync(join(output, 'a')).sort(), [
    'kidney_right.nii.gz',
    'spleen.nii.gz',
    'statistics.json',
  ]);
  for (const name of ['kidney_right', 'spleen']) {
    const [a, b] = await Promise.all(
      ['a', 'b'].map((id) => readVolume(join(output, id, `${name}.nii.gz`), { kind: 'label' })),
    );
    assert.equal(labelsOf(a), new Set([0, 1]), name);
    const back = mapAxes(b, axisMap(orientationOf(b.affine), orientationOf(a.affine)));
    assert.equal(back.data, a.data, `${name} is the same in both orientations`);
  }
  const [statistics] = ['a'].map((id) =>
    JSON.parse(readFileSync(join(output, id, 'statistics.json'), 'utf8')),
  );
  assert.equal(Object.keys(statistics), ['spleen', 'kidney_right']);
  const rows = readCsv(join(output, 'metrics.csv'));
  assert.is(Number(rows[0]['volume_mm3_spleen']), statistics.spleen.volume);
  await writeNifti(join(input, 'broken.nii.gz'), image, { dtype: 'int16' });
  const second = await voxstream([...options, '--resume']);
  assert.is(second.code, 0, second.stderr);
  assert.match(second.stdout, /1 case\(s\) done, 2 already finished/);
});

test('voxstream totalseg: one image to one file, and a pipeline file for voxstream run', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'ct.nii.gz');
  await writeNifti(file, phantom(), { dtype: 'int16' });
  const saved = join(folder, 'pipeline.yaml');
  const common = ['-i', file, '--fast', '--weights', weights, '-d', 'cpu'];
  const out = join(folder, 'out/seg.nii.gz');
  const one = await voxstream(['totalseg', ...common, '--ml', '-o', out, '--save-pipeline', saved]);
  assert.is(one.code, 0, one.stderr);
  assert.ok(one.stderr.includes(`, into ${out}\n`), one.stderr);
  assert.equal(readdirSync(join(folder, 'out')), ['seg.nii.gz']);
  assert.equal(labelsOf(await readVolume(out, { kind: 'label' })), new Set([0, 1, 2]));
  const { steps } = await loadPipeline([saved]);
  const names = steps.map(({ definition }) => definition.name);
  for (const name of ['zoomToSpacing', 'inference', 'invert', 'nameLabels']) {
    assert.ok(names.includes(name), `${name} in ${names}`);
  }
});

/** The flat indices of voxels whose two best labels nearly tie. */
function nearTies(dir: string): Set<number> {
  const bytes = Buffer.from(
    new ZipArchive(readFileSync(join(dir, 'near_ties.npz'))).read('index.npy', 2 ** 28),
  );
  const start = 10 + bytes.readUInt16LE(8);
  assert.match(bytes.toString('latin1', 10, start), /'descr': '<u4'/);
  return new Set(new Uint32Array(new Uint8Array(bytes.subarray(start)).buffer));
}

const needs = shared('totalsegmentator');
const cases = needs ? [] : readdirSync(sharedPath('totalsegmentator/cases')).sort();

for (const name of cases.length > 0 ? cases : ['the recorded cases']) {
  testNeeding(needs, `${name}: the label map of TotalSegmentator`, async () => {
    const dir = sharedPath(`totalsegmentator/cases/${name}`);
    const recorded = JSON.parse(readFileSync(join(dir, 'case.json'), 'utf8'));
    const { totalsegmentator_arguments: args, task_config: settings, parts = {} } = recorded.config;
    const tasks = join(temporaryFolder(), 'tasks.json');
    const rough = recorded.class_map_of_crop_model;
    const classes = { [args.task]: recorded.class_map, ...(rough && { total: rough }) };
    writeFileSync(tasks, JSON.stringify({ classes, parts, tasks: { [args.task]: settings } }));
    const subject = await through(
      load({}, context),
      makeCase({ id: name, files: { image: join(dir, recorded.image) } }),
    );
    const options = {
      task: args.task,
      fast: args.fast ?? false,
      roiSubset: args.roi_subset_robust,
      robustCrop: args.roi_subset_robust !== undefined,
      forceSplit: args.force_split ?? false,
      removeSmallBlobs: args.remove_small_blobs ?? false,
      weights: sharedPath('totalsegmentator/models'),
      tasks,
    };
    const { volumes } = await through(totalseg(options, context), subject);
    const float32 = join(dir, 'expected_seg_float32.nii.gz');
    const expected = existsSync(float32) ? float32 : join(dir, 'expected_seg.nii.gz');
    const { data } = await readVolume(expected, { kind: 'label' });
    const ties = nearTies(dir);
    assert.is(volumes.pred.data.length, data.length);
    const differing = volumes.pred.data.filter((label, i) => label !== data[i] && !ties.has(i));
    assert.is(differing.length, 0);
  });
}

test.run();
