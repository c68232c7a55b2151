import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { synthDataset } from '#src/synth/dataset.js';
import { bandModel, readCsv, temporaryFolder, voxstream } from './harness.js';

const root = temporaryFolder();
const bad = join(root, 'bad');

/** One good case and one of each kind of bad one. */
async function makeDataset(): Promise<string[]> {
  const good = join(root, 'good');
  await synthDataset(good, { cases: 1, testCases: 0, seed: 3, size: [40, 36, 28], labels: 'spleen' });
  const [name] = readdirSync(join(good, 'imagesTr'));
  const image = readFileSync(join(good, 'imagesTr', name));
  const label = readFileSync(join(good, 'labelsTr', name));
  const raw = gunzipSync(image);
  mkdirSync(join(bad, 'imagesTr'), { recursive: true });
  mkdirSync(join(bad, 'labelsTr'));

  /** The header's sizes changed: 2D, or another grid. */
  const resized = (bytes: Buffer, dims: number[], keep: number) => {
    const copy = Buffer.from(bytes.subarray(0, keep));
    for (const [i, n] of dims.entries()) copy.writeInt16LE(n, 40 + 2 * i);
    return copy;
  };
  const flipped = Buffer.from(image);
  for (const at of [0.4, 0.5, 0.6]) flipped[Math.floor(at * flipped.length)] ^= 0xff;
  const bytes = raw.readInt16LE(72) / 8;
  const rawLabel = gunzipSync(label);
  const images: Record<string, Buffer | undefined> = {
    good: image,
    cut9: image.subarray(0, Math.floor(image.length * 0.09)),
    cut50: image.subarray(0, Math.floor(image.length / 2)),
    cutTrailer: image.subarray(0, image.length - 3),
    flipped,
    empty: Buffer.alloc(0),
    text: Buffer.from('This is no image.\n'),
    flat: gzipSync(resized(raw, [2, 40, 36, 1], 352 + 40 * 36 * bytes)),
    otherGrid: image,
    missing: undefined,
  };
  const entries = Object.entries(images).map(([id, content]) => {
    if (content) writeFileSync(join(bad, `imagesTr/${id}.nii.gz`), content);
    const isOther = id === 'otherGrid';
    const other = gzipSync(
      resized(rawLabel, [3, 40, 36, 27], rawLabel.length - 40 * 36 * (rawLabel.readInt16LE(72) / 8)),
    );
    writeFileSync(join(bad, `labelsTr/${id}.nii.gz`), isOther ? other : label);
    return { image: `./imagesTr/${id}.nii.gz`, label: `./labelsTr/${id}.nii.gz` };
  });
  writeFileSync(join(bad, 'imagesTr/short.nii'), raw.subarray(0, raw.length - 1000));
  writeFileSync(join(bad, 'labelsTr/short.nii.gz'), label);
  writeFileSync(join(bad, 'imagesTr/._good.nii.gz'), 'AppleDouble');
  entries.push(
    { image: './imagesTr/short.nii', label: './labelsTr/short.nii.gz' },
    { image: './imagesTr/._good.nii.gz', label: './labelsTr/good.nii.gz' },
    { image: '../../outside.nii.gz', label: './labelsTr/good.nii.gz' },
  );
  const dataset = { labels: { 0: 'background', 1: 'spleen' }, training: entries, test: [] };
  writeFileSync(join(bad, 'dataset.json'), JSON.stringify(dataset));
  return [...Object.keys(images), 'short', 'outside'].filter((id) => id !== 'good').sort();
}

test('a dataset with one case of each kind of damage: the good one completes, each bad one is one clear row', async () => {
  const expected = await makeDataset();
  const output = join(root, 'out');
  const set = [
    `dataset=${bad}`,
    'source={decathlon: {split: train, validation: 0}}',
    `source.root=${bad}`,
    `model=${bandModel}`,
    'inference.roiSize=[24, 24, 16]',
    `output=${output}`,
  ];
  const args = set.flatMap((one) => ['--set', one]);
  const { code, stdout, stderr } = await voxstream(['run', 'pipelines/spleen-evaluate.yaml', ...args]);
  assert.is(code, 2, stderr);
  const failures = readCsv(join(output, 'failures.csv'));
  assert.equal(failures.map((row) => row.case).sort(), expected);
  const messages = Object.fromEntries(failures.map((row) => [row.case, row.message]));
  for (const id of expected) {
    assert.ok(messages[id].includes(id), `the message names the file: ${messages[id]}`);
    assert.not.match(messages[id], /Unexpected|undefined|\bat .*\.js/);
  }
  for (const id of ['cut9', 'cut50', 'cutTrailer'])
    assert.match(messages[id], /cut off|truncated|ends|incomplete/i);
  assert.match(messages.flipped, /damaged|corrupt/i);
  assert.match(messages.empty, /empty/i);
  assert.match(messages.text, /gzip|NIfTI/);
  assert.match(messages.flat, /2D/);
  assert.match(messages.short, /bytes/);
  assert.match(messages.otherGrid, /40.*36.*28/);
  assert.match(messages.missing, /there is no such file/);
  assert.match(messages.outside, /is outside the dataset's folder/);
  assert.equal(failures.find((row) => row.case === 'outside')?.step, 'source');
  assert.equal(
    readCsv(join(output, 'metrics.csv')).map((row) => row.case),
    ['good'],
  );
  assert.ok(readdirSync(output).includes('good_seg.nii.gz'));
  assert.match(stdout, /1 case\(s\) done, 11 failed/);
});

test.run();
