import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { messageOf } from '#src/errors.js';
import { writeZip } from '#src/formats/writeZip.js';
import { cachedNnunet } from '#src/models/nnunet/cachedModel.js';
import { openEach, openNnunet } from '#src/models/nnunet/importNnunet.js';
import { findTrained, openTrained, trainedAround } from '#src/models/nnunet/trainedFolder.js';
import { followsPlans } from '#src/models/nnunet/trainers.js';
import { withNnunetZip } from '#src/models/nnunet/zip.js';
import { fixtures, temporaryFolder } from '../e2e/harness.js';

process.env['VOXSTREAM_CACHE'] = temporaryFolder();

const fixture = join(fixtures, 'totalseg', 'rough');
const files = ['plans.json', 'dataset.json', join('fold_0', 'checkpoint_final.pth')];

/** A copy of the small trained folder, in the folder of a dataset. */
function trainedFolder(): string {
  const folder = join(temporaryFolder(), 'Dataset9_A', 'nnUNetTrainer__nnUNetPlans__3d_fullres');
  cpSync(fixture, folder, { recursive: true });
  return folder;
}

const fault = (work: Promise<unknown>) => work.then(() => 'nothing was thrown', messageOf);

test('a part of a trained folder, the folder around several and a missing one are told apart', async () => {
  const folder = trainedFolder();
  const dataset = join(folder, '..');
  assert.is(trainedAround(join(folder, 'fold_0')), folder);
  assert.is(trainedAround(join(folder, 'fold_0', 'checkpoint_final.pth')), folder);
  assert.is(trainedAround(folder), undefined);
  assert.match(await fault(openTrained(dataset)), /Give one of those in it: .*3d_fullres/);
  assert.match(await fault(openTrained(join(folder, 'lost'))), /There is no folder .*lost/);
  rmSync(join(folder, 'plans.json'));
  assert.equal(await findTrained(folder), [folder]);
  assert.match(
    await fault(openNnunet(folder)),
    /has no plans\.json, so it is not a trained model .* Expected is a folder/,
  );
});

test('two trainers of one configuration get names of their own', async () => {
  const first = trainedFolder();
  const second = join(first, '..', 'nnUNetTrainer_250epochs__nnUNetPlans__3d_fullres');
  cpSync(first, second, { recursive: true });
  const names = (await openEach([first, second])).map(({ card }) => card.name);
  assert.equal(names, [
    'Dataset9_A_3d_fullres_nnUNetTrainer__nnUNetPlans__3d_fullres',
    'Dataset9_A_3d_fullres_nnUNetTrainer_250epochs__nnUNetPlans__3d_fullres',
  ]);
  assert.is((await openEach([first]))[0].card.name, 'Dataset9_A_3d_fullres');
});

test('a zip of several configurations is unpacked without leaving its folder, and faults name the zip', async () => {
  const place = temporaryFolder();
  const zip = join(place, 'export.zip');
  const of = (configuration: string) =>
    files.map((name) => ({
      name: `Dataset9_A/nnUNetTrainer__nnUNetPlans__${configuration}/${name.replaceAll('\\', '/')}`,
      bytes: readFileSync(join(fixture, name)),
    }));
  const hostile = ['../../out/plans.json', '/out/plans.json'].map((name) => ({
    name,
    bytes: Buffer.from('{}'),
  }));
  await writeZip(zip, [...of('2d'), ...of('3d_fullres'), ...hostile]);
  const names = await withNnunetZip(zip, async (folders) => folders.map((one) => one.slice(-24)));
  assert.equal(names.length, 2);
  assert.equal(readdirSync(place), ['export.zip']);
  const broken = of('2d').map((one) =>
    one.name.endsWith('plans.json') ? { ...one, bytes: Buffer.from('[') } : one,
  );
  await writeZip(zip, broken);
  const message = await fault(withNnunetZip(zip, ([folder]) => openNnunet(folder)));
  assert.ok(message.startsWith(join(zip, 'Dataset9_A')), message);
  writeFileSync(zip, 'no zip');
  assert.match(await fault(withNnunetZip(zip, async () => {})), /export\.zip cannot be read/);
});

test('a cached model is found again, and a checkpoint that changed is read again', async () => {
  const folder = trainedFolder();
  const built: string[] = [];
  const open = () => cachedNnunet(folder, {}, { onBuild: (name) => built.push(name) });
  const first = await open();
  assert.equal(await open(), first);
  // The same contents at other times: the model is found by its checksums.
  const checkpoint = join(folder, 'fold_0', 'checkpoint_final.pth');
  const bytes = readFileSync(checkpoint);
  rmSync(checkpoint);
  writeFileSync(checkpoint, bytes);
  assert.equal(await open(), first);
  assert.is(built.length, 1);
  writeFileSync(checkpoint, bytes.subarray(0, 99));
  assert.match(await fault(open()), /checkpoint_final\.pth cannot be read as a checkpoint/);
});

test('trainers that change only the training follow the plans', () => {
  for (const name of [
    '',
    '_250epochs',
    'NoMirroring',
    '_DASegOrd0_NoMirroring',
    'DA5',
    '_4000epochs_NoMirroring',
  ]) {
    assert.ok(followsPlans(`nnUNetTrainer${name}`), name);
  }
  for (const name of ['nnUNetTrainerBN', 'nnUNetTrainer_Mine', 'MyTrainer'])
    assert.not(followsPlans(name), name);
});

test.run();
