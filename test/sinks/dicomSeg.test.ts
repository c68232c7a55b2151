import { execFile, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readSegmentationNode } from '@itk-wasm/dicom';
import dicomParser, { type DataSet as Parsed } from 'dicom-parser';
import { firstValueFrom, of } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Case } from '#src/case.js';
import type { OptionsOf } from '#src/options.js';
import { writeTo } from '#src/pipeline/steps.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { dicomSegSink } from '#src/sinks/dicomSeg.js';
import type { Volume } from '#src/volume/volume.js';
import { temporaryFolder } from '../e2e/harness.js';
import { program, testNeeding } from '../needs.js';
import { seriesCase } from './seriesCase.js';

const warnings: string[] = [];
const runtime = createRuntime({ workers: 1, onWarning: (message) => warnings.push(message) });
test.after(() => runtime.close());

/** Writes a case, and returns the file. */
async function write(subject: Case, options: OptionsOf<typeof dicomSegSink> = {}): Promise<string> {
  const { built } = dicomSegSink.configure(options);
  const sink = await built!.open({ output: temporaryFolder(), runtime, seed: 0 });
  await sink.write(subject);
  const [file] = sink.files!(subject);
  return file;
}

const refusal = (subject: Case, options: OptionsOf<typeof dicomSegSink> = {}) =>
  write(subject, options).then(
    () => 'nothing was refused',
    (error: Error) => error.message,
  );

/** The frames of a segmentation: segment, position, and mask as a string of 0 and 1. */
function framesIn(file: string): { names: string[]; frames: string[]; set: Parsed } {
  const set = dicomParser.parseDicom(readFileSync(file));
  const items = (tag: string, from = set) => from.elements[tag].items!.map(({ dataSet }) => dataSet!);
  const pixels = set.uint16('x00280010')! * set.uint16('x00280011')!;
  const { dataOffset } = set.elements['x7fe00010'];
  const frames = items('x52009230').map((frame, i) => {
    const [place] = items('x00209113', frame);
    const [segment] = items('x0062000a', frame);
    const bits = Array.from({ length: pixels }, (_, at) => {
      const bit = i * pixels + at;
      return (set.byteArray[dataOffset + (bit >> 3)] >> (bit & 7)) & 1;
    });
    return `${segment.uint16('x0062000b')} at ${place.string('x00200032')}: ${bits.join('')}`;
  });
  return { names: items('x00620002').map((segment) => segment.string('x00620005')!), frames, set };
}

/** Label 1 in one voxel of slices 1 and 2, label 3 in a row of slice 3. */
const twoLabels = (x: number, y: number, z: number) => {
  if (z === 3) return y === 2 ? 3 : 0;
  return z > 0 && x === 2 && y === z - 1 ? 1 : 0;
};

test('frames lie at the positions of the slices, packed without gaps, and segments keep their order', async () => {
  const { names, frames } = framesIn(await write(await seriesCase(twoLabels)));
  assert.equal(names, ['spleen', 'kidney_left', 'liver']);
  assert.equal(frames, [
    '1 at 10\\20\\32.5: 001000000000',
    '1 at 10\\20\\35: 000000100000',
    '2 at 10\\20\\37.5: 000000001111',
  ]);
  const omitted = framesIn(await write(await seriesCase(twoLabels), { emptySegments: 'omit' }));
  assert.equal(omitted.names, ['spleen', 'kidney_left']);
});

test('tilted series keep the positions of their slices', async () => {
  const tilted = await seriesCase(twoLabels, (z) => ({ '00200032 DS': [10, 20 + 0.7 * z, 30 + 2.5 * z] }));
  const { frames } = framesIn(await write(tilted));
  assert.equal(
    frames.map((frame) => frame.split(':')[0]),
    ['1 at 10\\20.7\\32.5', '1 at 10\\21.4\\35', '2 at 10\\22.1\\37.5'],
  );
});

test('itk-wasm reads the same voxels at the same places', async () => {
  const oblique = (z: number) => ({
    '00200037 DS': [0.8, 0.6, 0, -0.6, 0.8, 0],
    '00200032 DS': [10, 20, 30 + 2.5 * z],
  });
  const subject = await seriesCase((x, y, z) => (x + y > z ? 1 : 0), oblique, { 1: 'spleen' });
  const { segImage } = await readSegmentationNode(await write(subject));
  const { size, origin, spacing, direction, data } = segImage;
  assert.equal(size, [4, 3, 4]);
  assert.equal(
    [...(data as unknown as ArrayLike<number> & Iterable<number>)],
    [...subject.volumes.pred.data],
  );
  assert.equal(
    [origin, spacing, [...(direction as Iterable<number>)].map((cosine) => Number(cosine.toFixed(9)))],
    [
      [10, 20, 30],
      [0.5, 0.75, 2.5],
      [0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1],
    ],
  );
});

test('writing the same result again gives the same bytes, and another result other UIDs', async () => {
  const subject = await seriesCase(twoLabels);
  const [first, second] = [await write(subject), await write(subject)].map((file) => readFileSync(file));
  assert.ok(first.equals(second));
  const other = framesIn(await write(await seriesCase((x) => (x === 0 ? 1 : 0)))).set;
  for (const tag of ['x00080018', 'x0020000e']) {
    assert.is.not(other.string(tag), dicomParser.parseDicom(first).string(tag));
  }
});

test('2,000 files of 4 processes have no two equal UIDs', async () => {
  const folder = temporaryFolder();
  const script = fileURLToPath(new URL('./writeManySegs.js', import.meta.url));
  const run = promisify(execFile);
  await Promise.all(['a', 'b', 'c', 'd'].map((name) => run(process.execPath, [script, folder, name, '500'])));
  const files = readdirSync(folder);
  assert.is(files.length, 2000);
  const uids = new Set<string>();
  for (const file of files) {
    const { set } = framesIn(join(folder, file));
    const dimensions = set.elements['x00209221'].items![0].dataSet!;
    for (const uid of [set.string('x00080018'), set.string('x0020000e'), dimensions.string('x00209164')]) {
      assert.match(uid ?? '', /^2\.25\.\d{1,39}$/);
      uids.add(uid!);
    }
    assert.is(set.string('x00020003'), set.string('x00080018'));
  }
  assert.is(uids.size, 3 * 2000);
});

test('codes come from the option, then the card of the model, then the table', async () => {
  const names = { 1: 'blob', 2: 'thing', 3: 'spleen', 4: 'constructor' };
  const subject = await seriesCase((x) => x + 1, undefined, names);
  const code = (meaning: string) => ({ value: '39937001', scheme: 'SCT', meaning });
  const pred = {
    ...subject.volumes.pred,
    labelCodes: { blob: code('of the card'), thing: code('of the card'), constructor: code('of the card') },
  };
  const file = await write(
    { ...subject, volumes: { ...subject.volumes, pred } },
    { codes: { blob: { value: '39937001', meaning: 'of the option' } } },
  );
  const segments = framesIn(file).set.elements['x00620002'].items!.map(({ dataSet }) => dataSet!);
  const meanings = segments.map((one) => one.elements['x0062000f'].items![0].dataSet!.string('x00080104'));
  assert.equal(meanings, ['of the option', 'of the card', 'Spleen', 'of the card']);
});

test('an empty result, and 104 labels, are written', async () => {
  const empty = framesIn(await write(await seriesCase(() => 0)));
  assert.equal(empty.frames, ['1 at 10\\20\\30: 000000000000']);
  assert.is(empty.names.length, 3);
  const names = Object.fromEntries(Array.from({ length: 104 }, (_, i) => [i + 1, `structure ${i + 1}`]));
  const codes = Object.fromEntries(
    Object.values(names).map((name) => [name, { value: '123', meaning: name }]),
  );
  const many = framesIn(
    await write(await seriesCase((x, y, z) => 1 + x + 4 * y + 12 * z, undefined, names), { codes }),
  );
  assert.is(many.names.length, 104);
  assert.is(many.frames.length, 48);
});

test('invalid values of the source are left out with a warning that does not tell them', async () => {
  warnings.length = 0;
  const dirty = {
    '00101010 AS': '45',
    '00100040 CS': 'Male',
    '00080050 SH': '12345678901234567890',
    '00200052 UI': undefined,
  };
  const { set } = framesIn(await write(await seriesCase(twoLabels, () => dirty)));
  assert.equal(
    [set.string('x00101010'), set.string('x00100040'), set.string('x00080050')],
    [undefined, undefined, undefined],
  );
  assert.is(set.string('x00100010'), 'Doe^Jane');
  assert.match(set.string('x00200052') ?? '', /^2\.25\./);
  assert.is(warnings.length, 4);
  assert.match(warnings.join(' '), /its PatientAge is not valid \(expected: e\.g\. 045Y\)/);
  assert.not.match(warnings.join(' '), /45"|Male|1234567890|Doe|SECRET/);
});

test('what would be wrong or meaningless is refused with what to do', async () => {
  const subject = await seriesCase(twoLabels);
  const { pred, image } = subject.volumes;
  const withPred = (volume: Volume) => ({ ...subject, volumes: { image, pred: volume } });
  assert.match(
    await refusal(withPred({ ...pred, affine: image.affine.map((v, i) => (i === 3 ? v + 1 : v)) })),
    'Put invert before',
  );
  assert.match(
    await refusal(withPred({ ...pred, kind: 'probability' })),
    'but a label map of one channel was expected',
  );
  assert.match(
    await refusal(withPred({ ...pred, labelNames: { 1: 'spleen' } })),
    'the label(s) 3, which have no name',
  );
  assert.match(
    await refusal(withPred({ ...pred, labelNames: { 1: 'spleen', 3: 'blob' } })),
    'the label(s) "blob", for which no SNOMED',
  );
  assert.match(
    await refusal({ ...subject, files: { image: 'a.nii' } }),
    'was read from a.nii, but a DICOM series was expected',
  );
  assert.match(await refusal(subject, { image: 'ct' }), 'the ct of case a has no files');
});

test('two cases that wait for their places are both written', async () => {
  const subject = await seriesCase(twoLabels);
  const { built } = dicomSegSink.configure({});
  const sink = await built!.open({ output: temporaryFolder(), runtime, seed: 0 });
  // Loading fills the lane while the results of two cases queue for it.
  const loaded: (() => void)[] = [];
  const loading = Array.from({ length: runtime.lanes.io.width }, () =>
    runtime.on('io', () => new Promise<void>((resolve) => loaded.push(resolve))),
  );
  const writing = ['a', 'b'].map((id) =>
    firstValueFrom(of({ ...subject, id }).pipe(writeTo({ id: 'dicomSeg', runtime }, sink))),
  );
  for (const resolve of loaded) resolve();
  await Promise.all([...loading, ...writing]);
  assert.is(runtime.lanes.io.active, 0);
});

testNeeding(program('dciodvfy', 'dicom3tools'), 'dciodvfy finds no error', async () => {
  const findings = { 1: 'kidney_cyst_left', 2: 'pleural_effusion', 3: 'subcutaneous_fat', 4: 'rib_left_1' };
  for (const subject of [
    await seriesCase(twoLabels),
    await seriesCase(() => 0),
    await seriesCase((x) => x + 1, undefined, findings),
    await seriesCase(twoLabels, (z) => ({ '00200032 DS': [10, 20 + 0.7 * z, 30 + 2.5 * z] })),
  ]) {
    const { stdout, stderr } = spawnSync('dciodvfy', ['-new', await write(subject)], { encoding: 'utf8' });
    assert.not.match(stdout + stderr, /Error/);
    assert.match(stdout + stderr, 'Segmentation');
  }
});

test.run();
