import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import dicomParser from 'dicom-parser';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readVolume } from '#src/formats/index.js';
import { buildDicom, sliceSet } from '../formats/dicom/buildDicom.js';
import { bandModel, root, temporaryFolder, voxstream } from './harness.js';

/** A series of 20 slices of 40 x 36 pixels, in HU: a block that the model takes for a spleen, in air. */
function putSeries(folder: string): void {
  for (let z = 0; z < 20; z++) {
    const pixels = Buffer.alloc(2 * 40 * 36);
    for (let i = 0; i < 40 * 36; i++) {
      const [x, y] = [i % 40, Math.floor(i / 40)];
      const inside = x > 10 && x < 30 && y > 8 && y < 24 && z > 4 && z < 15;
      pixels.writeInt16LE(inside ? 1138 : 0, 2 * i);
    }
    const set = sliceSet(0, {
      '00080018 UI': `1.2.3.4.${z + 1}`,
      '00200032 DS': [10, 20, 30 + 2.5 * z],
      '00280010 US': 36,
      '00280011 US': 40,
      '00280030 DS': [1.5, 1.5],
      '00281052 DS': -1024,
      '7fe00010 OW': pixels,
    });
    writeFileSync(join(folder, `I${z}`), buildDicom(set));
  }
}

test('the pipeline that ships takes a series to a segmentation and contours of it, and resumes', async () => {
  const [dataset, output] = [temporaryFolder(), temporaryFolder()];
  putSeries(dataset);
  const args = ['run', join(root, 'pipelines/spleen-dicom.yaml'), '--device', 'cpu'];
  for (const [name, value] of Object.entries({ dataset, output, model: bandModel }))
    args.push('--set', `${name}=${value}`);
  const { code, stdout, stderr } = await voxstream(args);
  assert.is(code, 0, stdout + stderr);
  const [name] = readFileSync(join(output, 'timings.csv'), 'utf8').split('\n')[1].split(',');
  const seg = dicomParser.parseDicom(readFileSync(join(output, `${name}_pred.dcm`)));
  const { data } = await readVolume(join(output, `${name}_seg.nii.gz`), { kind: 'label' });
  const slices = new Set([...data.keys()].filter((i) => data[i] === 1).map((i) => Math.floor(i / (40 * 36))));
  assert.ok(slices.size > 5);
  assert.is(Number(seg.string('x00280008')), slices.size);
  const rtstruct = readFileSync(join(output, `${name}_pred_rtstruct.dcm`));
  assert.match(rtstruct.toString('latin1'), 'CLOSED_PLANAR');
  assert.not.match(stdout + stderr + readFileSync(join(output, 'run.json'), 'utf8'), /Doe|SECRET/);
  const plan = await voxstream([...args, '--dry-run', '--show-identifiers']);
  assert.match(plan.stdout, /SECRET-7_\S+_s3: image/);
  const again = await voxstream([...args, '--resume', '--json']);
  assert.match(again.stdout, '"event":"caseSkipped"');
});

test.run();
