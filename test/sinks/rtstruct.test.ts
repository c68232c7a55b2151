import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import dicomParser, { type DataSet as Parsed } from 'dicom-parser';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Case } from '#src/case.js';
import { readVolume } from '#src/formats/index.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { rtstructSink } from '#src/sinks/rtstruct.js';
import { temporaryFolder } from '../e2e/harness.js';
import { program, testNeeding } from '../needs.js';
import { seriesCase } from './seriesCase.js';

const runtime = createRuntime({ workers: 1 });
test.after(() => runtime.close());

async function write(subject: Case): Promise<string> {
  const { built } = rtstructSink.configure({});
  const sink = await built!.open({ output: temporaryFolder(), runtime, seed: 0 });
  await sink.write(subject);
  const [file] = sink.files!(subject);
  return file;
}

const items = (set: Parsed, tag: string) => (set.elements[tag]?.items ?? []).map(({ dataSet }) => dataSet!);

/** `ROI name: contour, contour, …` for each region. */
function contoursIn(file: string): string[] {
  const set = dicomParser.parseDicom(readFileSync(file));
  const names = items(set, 'x30060020').map((region) => region.string('x30060026'));
  return items(set, 'x30060039').map((region, i) => {
    const contours = items(region, 'x30060040').map((contour) => contour.string('x30060050'));
    return `${names[i]}: ${contours.join(', ')}`;
  });
}

test('contours lie on the slices, in mm, and labels without a voxel have none', async () => {
  const file = await write(await seriesCase((x, y, z) => (x === 2 && y === 1 && z === 3 ? 1 : 0)));
  const [spleen, ...others] = contoursIn(file);
  // The voxel's centre is at 11, 20.75, 37.5; voxels are 0.5 mm wide and 0.75 mm high.
  const corners = spleen.replace('spleen: ', '').split('\\');
  const points = [0, 3, 6, 9].map((i) => corners.slice(i, i + 3).join(' ')).sort();
  assert.equal(points, ['10.75 20.75 37.5', '11 20.375 37.5', '11 21.125 37.5', '11.25 20.75 37.5']);
  assert.equal(others, ['kidney_left: ', 'liver: ']);
});

test('a tilted series keeps the places of its slices, and names need no codes', async () => {
  const subject = await seriesCase(
    (x, y, z) => (x === 2 && y === 1 && z === 3 ? 1 : 0),
    (z) => ({ '00200032 DS': [10, 20 + 0.7 * z, 30 + 2.5 * z] }),
    { 1: 'something of ours' },
  );
  assert.match(contoursIn(await write(subject))[0], /^something of ours: .*\\22.85\\37.5/);
});

test('the same result gives the same bytes', async () => {
  const subject = await seriesCase((x) => (x === 1 ? 1 : 0));
  const [first, second] = [await write(subject), await write(subject)].map((file) => readFileSync(file));
  assert.ok(first.equals(second));
});

/** A ball with a hollow, in 32 x 24 voxels and 6 slices. */
const size = { '00280010 US': 24, '00280011 US': 32, '7fe00010 OW': Buffer.alloc(2 * 32 * 24) };
const hollow = (x: number, y: number) => {
  const r = Math.hypot(x - 15.3, y - 11.8);
  return r < 9 && r > 4 ? 1 : 0;
};

testNeeding(program('dciodvfy', 'dicom3tools'), 'dciodvfy finds no error', async () => {
  for (const label of [hollow, () => 0]) {
    const subject = await seriesCase(label, () => size);
    const { stdout, stderr } = spawnSync('dciodvfy', ['-new', await write(subject)], { encoding: 'utf8' });
    assert.not.match(stdout + stderr, /Error/);
    assert.match(stdout + stderr, 'RTStructureSet');
  }
});

testNeeding(
  program('plastimatch', 'plastimatch'),
  'plastimatch fills the contours with the same voxels',
  async () => {
    const subject = await seriesCase(hollow, () => size, { 1: 'spleen' }, 6);
    const { image } = subject.files;
    const folder = dirname((image as { series: readonly string[] }).series[0]);
    const out = temporaryFolder();
    const file = await write(subject);
    execFileSync(
      'plastimatch',
      [
        'convert',
        '--input',
        file,
        '--referenced-ct',
        folder,
        '--output-prefix',
        out,
        '--prefix-format',
        'nrrd',
      ],
      { stdio: 'ignore' },
    );
    const { data } = await readVolume(join(out, 'spleen.nrrd'), { kind: 'label' });
    const { pred } = subject.volumes;
    let [both, either] = [0, 0];
    for (let i = 0; i < data.length; i++) {
      both += Number(data[i] > 0 && pred.data[i] > 0);
      either += Number(data[i] > 0) + Number(pred.data[i] > 0);
    }
    assert.ok((2 * both) / either > 0.999, `Dice ${(2 * both) / either}`);
  },
);

test.run();
