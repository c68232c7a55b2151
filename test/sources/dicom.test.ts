import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { SeriesFiles } from '#src/case.js';
import { readVolume } from '#src/formats/index.js';
import type { OptionsOf } from '#src/options.js';
import type { SourceItem } from '#src/sources/define.js';
import { dicom } from '#src/sources/dicom.js';
import { temporaryFolder, voxstream } from '../e2e/harness.js';
import { fails } from '../formats/buildNifti.js';
import { buildDicom, type DataSet, sliceSet } from '../formats/dicom/buildDicom.js';
import { buildZip } from '../onnx/checkpoint/buildCheckpoint.js';

function put(folder: string, name: string, content: Buffer | string): string {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

function putSeries(folder: string, name: string, count: number, changes: DataSet = {}): void {
  for (let z = 0; z < count; z++) put(folder, join(name, `I${z}`), buildDicom(sliceSet(z, changes)));
}

async function open(options: OptionsOf<typeof dicom>): Promise<{ items: SourceItem[]; warnings: string[] }> {
  const warnings: string[] = [];
  const items: SourceItem[] = [];
  const { built } = dicom.configure(options);
  for await (const item of built!.open({ onWarning: (message) => warnings.push(message) })) items.push(item);
  return { items, warnings };
}

const idsOf = ({ items }: { items: readonly SourceItem[] }) => items.map(({ id }) => id);

test('every series is a case, with an id of its folder and number, and nothing that names the patient', async () => {
  const root = temporaryFolder();
  putSeries(root, 'a/ct', 3);
  putSeries(root, 'b', 3, { '0020000e UI': '1.5', '00200011 IS': 4 });
  putSeries(root, 'b', 0);
  for (let z = 0; z < 3; z++)
    put(root, `b/J${z}`, buildDicom(sliceSet(z, { '0020000e UI': '1.6', '00200011 IS': 4 })));
  const found = await open({ root });
  assert.equal(idsOf(found)[0], 'a_ct_s3');
  assert.match(idsOf(found).slice(1).join(' '), /^b_s4_[0-9a-f]{8} b_s4_[0-9a-f]{8}$/);
  assert.is(new Set(idsOf(found)).size, 3);
  assert.not.match(JSON.stringify(found), /Doe|SECRET/);
  assert.is(idsOf(await open({ root, showIdentifiers: true }))[0], 'SECRET-7_a_ct_s3');
});

test('a zip archive is read like the folder in it, deflated and stored', async () => {
  const root = temporaryFolder();
  putSeries(root, 'ct', 4);
  const members = Array.from({ length: 4 }, (_, z) => ({
    name: `ct/I${z}`,
    data: readFileSync(join(root, `ct/I${z}`)),
    deflated: z % 2 === 0,
  }));
  put(root, 'incoming.zip', buildZip([...members, { name: '__MACOSX/ct/._I0', data: Buffer.from('x') }]));
  const found = await open({ root: join(root, 'incoming.zip') });
  assert.equal([idsOf(found), found.warnings], [['ct_s3'], []]);
  const [item] = found.items;
  if (!('files' in item)) throw new Error('the case was refused');
  const volume = await readVolume(item.files['image'], { kind: 'image' });
  const folder = await open({ root: join(root, 'ct') });
  const [other] = folder.items;
  if (!('files' in other)) throw new Error('the case was refused');
  const expected = await readVolume(other.files['image'], { kind: 'image' });
  assert.equal([volume.data, volume.affine], [expected.data, expected.affine]);
  put(root, 'cut.zip', readFileSync(join(root, 'incoming.zip')).subarray(0, -9));
  await fails(open({ root: join(root, 'cut.zip') }), /cut\.zip cannot be read: .*cut off/);
});

test('files that are not images are left out with a warning', async () => {
  const root = temporaryFolder();
  putSeries(root, 'ct', 3);
  put(root, 'notes.txt', 'a text');
  put(root, '.hidden', 'hidden');
  put(root, 'seg', buildDicom(sliceSet(0, { '00080016 UI': '1.2.840.10008.5.1.4.1.1.66.4' })));
  put(root, 'ct/scout', buildDicom(sliceSet(9, { '00080008 CS': 'ORIGINAL\\PRIMARY\\LOCALIZER' })));
  copyFileSync(join(root, 'ct/I1'), join(root, 'ct/copy'));
  const found = await open({ root });
  assert.equal(idsOf(found), ['ct_s3']);
  const told = found.warnings.map((warning) => warning.replaceAll(root, '')).sort();
  assert.equal(told, [
    '/ct/copy is a copy of /ct/I1; it is left out.',
    '/ct/scout is a localizer; it is left out.',
    '/notes.txt is not a DICOM file; it is left out.',
    '/seg is a segmentation (SEG); it is left out.',
  ]);
});

test('modality and series choose, and a choice without a series is refused with what there is', async () => {
  const root = temporaryFolder();
  putSeries(root, 'ct', 3);
  putSeries(root, 'long', 5, { '0020000e UI': '1.5' });
  putSeries(root, 'mr', 4, { '0020000e UI': '1.6', '00080060 CS': 'MR' });
  assert.equal(idsOf(await open({ root, modality: 'MR' })), ['mr_s3']);
  assert.equal(idsOf(await open({ root, series: 'largest' })), ['long_s3']);
  assert.equal(idsOf(await open({ root, series: '1.2.3.4' })), ['ct_s3']);
  const refusal = await open({ root, modality: 'PT' }).catch((error: Error) => error.message);
  assert.match(String(refusal), 'holds 3 series of CT and MR, but none of them is asked for');
  const empty = await open({ root: temporaryFolder() }).catch((error: Error) => error.message);
  assert.match(String(empty), 'holds no DICOM images');
});

test('a series beside an empty or damaged file is refused, for it may lack a slice', async () => {
  const root = temporaryFolder();
  putSeries(root, 'ct', 3);
  put(root, 'ct/empty', '');
  const [item] = (await open({ root })).items;
  assert.match(
    'refused' in item ? item.refused : '',
    /empty is empty and lies among the files of .*so a slice may be missing/,
  );
});

test('a segmentation becomes the label of the series that it refers to', async () => {
  const root = temporaryFolder();
  putSeries(root, 'ct', 3);
  putSeries(root, 'other', 3, { '0020000e UI': '1.5' });
  const putSeg = (name: string, of: string, changes: DataSet = {}) =>
    put(
      root,
      name,
      buildDicom(
        sliceSet(0, {
          '00080016 UI': '1.2.840.10008.5.1.4.1.1.66.4',
          '0020000e UI': `1.9.${name}`,
          '00081115 SQ': [{ '0020000e UI': of }],
          ...changes,
        }),
      ),
    );
  const first = putSeg('1', '1.2.3.4');
  putSeg('2', '1.2.3.4', { '00080070 LO': 'voxstream' });
  putSeg('3', '1.7');
  const labelsOf = ({ items }: { items: readonly SourceItem[] }) =>
    items.map((item) => ('files' in item ? (item.files.label as SeriesFiles)?.segmentation : item));
  const none = await open({ root });
  assert.equal(labelsOf(none), [undefined, undefined]);
  assert.match(none.warnings.join(), '3 files are left out, each of them a segmentation (SEG)');
  const auto = await open({ root, label: 'auto' });
  assert.equal(labelsOf(auto), [first, undefined]);
  assert.match(
    auto.warnings.join(),
    /3 is a segmentation \(SEG\) that refers to no series here; it is left out\./,
  );
  assert.match(auto.warnings.join(), /2 is a segmentation \(SEG\); it is left out\./);
  assert.equal(labelsOf(await open({ root, label: '1.9.2' })), [join(root, '2'), undefined]);

  // A file of another kind, by the id of the case.
  put(root, 'gt/ct_s3.nii.gz', '');
  const other = await open({ root, label: join(root, 'gt/{case}.*') });
  const [labelled, unlabelled] = other.items;
  assert.is('files' in labelled && resolve(String(labelled.files.label)), join(root, 'gt/ct_s3.nii.gz'));
  assert.is('files' in unlabelled && unlabelled.files.label, undefined);

  putSeg('4', '1.2.3.4');
  const [item] = (await open({ root, label: 'auto' })).items;
  assert.match(
    'refused' in item ? item.refused : '',
    /has 2 segmentations that refer to it: .*1 \(series 1\.9\.1\) and .*4 \(series 1\.9\.4\)\. Name the series of one with source\.label/,
  );
});

test('phases in one file are separate cases', async () => {
  const root = temporaryFolder();
  const frames = [1, 2].flatMap((time) => [0, 1, 2].map((z) => ({ time, z })));
  const set = sliceSet(0, {
    '00080016 UI': '1.2.840.10008.5.1.4.1.1.4.1',
    '00280008 IS': frames.length,
    '00200032 DS': undefined,
    '52009229 SQ': [{ '00209116 SQ': [{ '00200037 DS': [1, 0, 0, 0, 1, 0] }] }],
    '52009230 SQ': frames.map(({ time, z }) => ({
      '00209111 SQ': [{ '00209128 UL': time }],
      '00209113 SQ': [{ '00200032 DS': [0, 0, z] }],
    })),
    '7fe00010 OW': Buffer.concat(frames.map(({ time, z }) => Buffer.alloc(24, 10 * time + z))),
  });
  put(root, 'mr', buildDicom(set));
  const { items } = await open({ root });
  const parts = items.map((item) => ('files' in item ? item.files.image : item));
  const series = [join(root, 'mr')];
  const handled = { irregular: 'refuse', missing: 'refuse' };
  assert.equal(parts, [
    { series, part: 'temporalPosition 1', ...handled },
    { series, part: 'temporalPosition 2', ...handled },
  ]);
});

test('a run reads series from a tar archive, resumes, and runs a case again whose slice changed', async () => {
  const folder = temporaryFolder();
  putSeries(folder, 'ct', 3);
  const archive = join(folder, 'ct.tar');
  const pack = () => execFileSync('tar', ['-cf', archive, '-C', folder, 'ct']);
  pack();
  const output = join(folder, 'out');
  const file = put(
    folder,
    'p.json',
    JSON.stringify({
      name: 'dicom',
      output,
      source: { dicom: { root: archive } },
      steps: ['load'],
      sinks: [{ nifti: { keys: 'image' } }],
    }),
  );
  const first = await voxstream(['run', file]);
  assert.is(first.code, 0, first.stderr);
  assert.ok(readFileSync(join(output, 'ct_s3_image.nii.gz')).length > 0);
  const second = await voxstream(['run', file, '--resume', '--json']);
  assert.match(second.stdout, '"event":"caseSkipped"');
  put(folder, 'ct/I1', buildDicom(sliceSet(1, { '00281052 DS': 5 })));
  pack();
  const third = await voxstream(['run', file, '--resume', '--json']);
  assert.match(third.stdout, /"event":"caseStart","case":"ct_s3","reason":"[^"]*I\d changed"/);
});

test.run();
