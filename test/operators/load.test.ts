import { join } from 'node:path';
import { lastValueFrom, of } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Case, makeCase } from '#src/case.js';
import { OptionError } from '#src/errors.js';
import { load } from '#src/operators/load.js';
import { storedVolume } from '#src/operators/storedVolume.js';
import type { OptionsOf } from '#src/options.js';
import { chain, fuseSteps } from '#src/pipeline/fuse.js';
import { parsePipeline } from '#src/pipeline/load.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { parseAxcodes } from '#src/volume/orientation.js';
import { reorient } from '#src/volume/reorient.js';
import { fixtures } from '../e2e/harness.js';
import { buildNifti, fails, temporaryFolder } from '../formats/buildNifti.js';

const put = temporaryFolder();
const runtime = createRuntime({ workers: 1 });
const run = (subject: Case, options?: OptionsOf<typeof load>) =>
  lastValueFrom(of(subject).pipe(load(options, { id: 'load', runtime })));

const affine = [2, 0, 0, -10, 0, 2, 0, -20, 0, 0, 3, 5];
const sform = { code: 1, rows: affine };
const image = put('ct 1 müller.nii', buildNifti({ sform }));
const label = put(
  'label.nii',
  buildNifti({ sform, datatype: 16, values: [0, 1, 0, 1, 0, 2, 0, 1, 0, 1, 0, 0] }),
);

test('load reads every file of a case, labels as integers with the names of the dataset', async () => {
  const labelNames = { 1: 'spleen', 2: 'liver' };
  const subject = makeCase({ id: 'ct', files: { image, label }, labelNames });
  const { volumes, timings } = await run(subject);
  assert.is(volumes.image.kind, 'image');
  assert.ok(volumes.image.data instanceof Int16Array);
  assert.ok(volumes.image.data.buffer instanceof SharedArrayBuffer);
  assert.is(volumes.image.labelNames, undefined);
  assert.equal(volumes.image.affine, [...affine, 0, 0, 0, 1]);
  assert.is(volumes.label.kind, 'label');
  assert.equal([...volumes.label.data], [0, 1, 0, 1, 0, 2, 0, 1, 0, 1, 0, 0]);
  assert.ok(volumes.label.data instanceof Uint8Array);
  assert.equal(volumes.label.labelNames, labelNames);
  assert.ok(timings.load > 0);
  assert.equal(subject.volumes, {});
});

test('load keeps the first volume of a 4D image, and reads scaled voxels as float64', async () => {
  const file = put('4d.nii', buildNifti({ sform, dims: [2, 3, 1, 2], slope: 0.1 }));
  const { volumes, notes } = await run(makeCase({ id: 'ct', files: { image: file } }), {
    float64: true,
    firstChannel: true,
  });
  assert.is(volumes.image.channels, 1);
  assert.instance(volumes.image.data, Float64Array);
  assert.equal(
    [...volumes.image.data],
    [0, 1, 2, 3, 4, 5].map((value) => Math.fround(0.1) * value),
  );
  assert.equal(notes, ['Of the 2 volumes of image, only the first one is used.']);
});

test('label names in a file take precedence over those of the dataset, and differences are noted', async () => {
  const segmentation = (name: string, file: string) => {
    const header =
      'NRRD0004\ntype: uint8\ndimension: 3\nspace: RAS\nsizes: 2 1 1\nencoding: raw\n' +
      'space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n' +
      `Segment0_ID:=s\nSegment0_Name:=${name}\nSegment0_LabelValue:=1\nSegment0_Layer:=0\n\n`;
    return put(file, Buffer.concat([Buffer.from(header), Buffer.from([0, 1])]));
  };
  const files = { label: segmentation('spleen', 'l.seg.nrrd'), pred: segmentation('liver', 'p.seg.nrrd') };
  const { volumes, notes } = await run(
    makeCase({ id: 'ct', files, labelNames: { 1: 'spleen', 2: 'aorta', 3: 'liver' } }),
  );
  assert.equal(volumes.label.labelNames, { 1: 'spleen', 2: 'aorta', 3: 'liver' });
  assert.equal(volumes.pred.labelNames, { 1: 'liver', 2: 'aorta' });
  assert.equal(notes, [
    `${files.pred} names label 1 "liver", but the dataset names it "spleen"; the file's name is used.`,
  ]);
});

test('load reads only the requested keys, and treats the keys in labelKeys as labels', async () => {
  const subject = makeCase({ id: 'ct', files: { image, label, mask: label } });
  const { volumes } = await run(subject, { keys: ['image', 'mask'], labelKeys: 'mask' });
  assert.equal(Object.keys(volumes), ['image', 'mask']);
  assert.is(volumes.mask.kind, 'label');
  assert.is((await run(subject, { keys: 'label', labelKeys: [] })).volumes.label.kind, 'image');
});

test('load accepts NaN only with nonFinite', async () => {
  const file = put('nan.nii', buildNifti({ datatype: 16, dims: [2, 1, 1], values: [Number.NaN, 1] }));
  const subject = makeCase({ id: 'ct', files: { image: file } });
  await fails(run(subject), file, 'holds 1 voxel(s) that are NaN or infinite');
  assert.equal([...(await run(subject, { nonFinite: true })).volumes.image.data], [Number.NaN, 1]);
});

test('load fails a case whose file is missing or of unknown format', async () => {
  const subject = makeCase({ id: 'ct', files: { image, label: put('gone.nii') } });
  await fails(run(subject), 'gone.nii cannot be read: there is no such file; check its path.');
  await fails(
    run(subject, { keys: ['image', 'pred'] }),
    'Case ct has no file "pred" to load; it has image and label.',
  );
  await fails(run(makeCase({ id: 'empty' })), 'Case empty has no files to load. Check the source.');
});

test('load fails a case whose image and label are on different grids', async () => {
  const wide = put('wide.nii', buildNifti({ sform, dims: [2, 2, 3] }));
  await fails(
    run(makeCase({ id: 'ct', files: { image, label: wide } })),
    `The label and the image of case ct are on different grids: ${wide} has 2 x 2 x 3 voxels, but ${image} has ` +
      '3 x 2 x 2 voxels. Check that they belong together',
  );
  const rows = [...affine.slice(0, 3), -9.8, ...affine.slice(4)];
  const moved = put('moved.nii', buildNifti({ sform: { code: 1, rows } }));
  await fails(
    run(makeCase({ id: 'ct', files: { label, pred: moved } })),
    `${moved} has the affine [[2, 0, 0, -9.8], [0, 2, 0, -20], [0, 0, 3, 5]], but ${label} has the affine`,
  );
  const near = put(
    'near.nii',
    buildNifti({ sform: { code: 1, rows: rows.map((n) => (n === -9.8 ? -10.05 : n)) } }),
  );
  assert.ok((await run(makeCase({ id: 'ct', files: { image, label: near } }))).volumes.label);
});

test('load leaves grids to later steps that bring them together, and says so', async () => {
  const wide = put('wide.nii', buildNifti({ sform, dims: [2, 2, 3] }));
  const files = { image, label: wide };
  const steps = (...list: object[]) =>
    parsePipeline(JSON.stringify({ name: 'p', source: { glob: { image: 'x' } }, steps: list }), 'p').steps;
  const match = { resampleToMatch: { keys: 'label', keyDst: 'image' } };
  const loaded = async (...list: object[]) => {
    const operator = chain(
      fuseSteps(steps({ load: {} }, ...list), []).map(({ build, id }) => build({ id, runtime: runtime })),
    );
    return lastValueFrom(of(makeCase({ id: 'ct', files })).pipe(operator));
  };
  const { volumes, notes } = await loaded(match);
  assert.equal(volumes.label.size, volumes.image.size);
  assert.match(
    notes?.join() ?? '',
    /label and the image of case ct are on different grids: .* must bring them/,
  );
  const spacing = { spacing: { pixdim: [1, 1, 1] } };
  assert.ok((await loaded(spacing)).volumes.label);
  // Metrics compare with the label as it is stored.
  await fails(loaded(spacing, { dice: { pred: 'label' } }), 'different grids');
  await fails(loaded({ orient: { axcodes: 'RAS' } }), 'different grids');
  // Steps that need one grid check it again.
  await fails(loaded({ cropForeground: {} }, match), 'Patches and crops need volumes on the same grid');
});

test('load brings a label that is stored in another orientation to that of its image', async () => {
  const stored = [0, 1, 0, 1, 0, 2, 0, 1, 0, 1, 0, 0];
  // Image: 3 x 2 x 2 voxels. Label: the same positions with x reversed and y and z swapped.
  const rows = [-2, 0, 0, affine[3] + 4, 0, 0, 2, affine[7], 0, 3, 0, affine[11]];
  const turned = put('turned.nii', buildNifti({ sform: { code: 1, rows }, datatype: 16, values: stored }));
  const found = await run(makeCase({ id: 'ct', files: { image, label: turned } }));
  assert.equal(found.volumes.label.affine, found.volumes.image.affine);
  assert.equal(found.volumes.label.history, []);
  const at = (x: number, y: number, z: number) => stored[2 - x + 3 * (z + 2 * y)];
  const expected = [0, 1].flatMap((z) => [0, 1].flatMap((y) => [0, 1, 2].map((x) => at(x, y, z))));
  assert.equal([...found.volumes.label.data], expected);
  assert.match(
    found.notes?.join() ?? '',
    /The label is stored as LSA and the image as RAS, at the same positions/,
  );
  // A metric that reads the label again, since a step changed it, finds it in the same orientation.
  const changed = {
    ...found,
    volumes: { ...found.volumes, label: reorient(found.volumes.label, parseAxcodes('LPS')) },
  };
  const again = await storedVolume(changed, 'label', changed.volumes.label, runtime);
  assert.equal([...again.data], expected);
});

test('load reads the inputs of the golden cases', async () => {
  const folder = join(fixtures, 'golden/geometry/oblique-10deg');
  const files = { image: join(folder, 'image.nii.gz'), label: join(folder, 'label.nii.gz') };
  const { volumes } = await run(makeCase({ id: 'oblique', files }));
  assert.equal(volumes.image.size, [40, 36, 26]);
  assert.equal(volumes.label.size, [40, 36, 26]);
});

test('load rejects unknown options when it is built', () => {
  assert.throws(
    () => load({ kesy: 'image' } as OptionsOf<typeof load>),
    (error: unknown) => error instanceof OptionError && /did you mean "keys"/.test(error.message),
  );
});

test.after(() => runtime.close());
test.run();
