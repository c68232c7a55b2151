import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Case, makeCase } from '#src/case.js';
import { DataError } from '#src/errors.js';
import { readVolume } from '#src/formats/index.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { niftiSink } from '#src/sinks/nifti.js';
import { makeVolume, type Volume } from '#src/volume/volume.js';
import { temporaryFolder } from '../e2e/harness.js';

const runtime = createRuntime({ device: 'cpu', workers: 1 });
test.after(() => runtime.close());

const labels = makeVolume({ data: Uint8Array.of(0, 1, 2, 7), size: [4, 1, 1], kind: 'label' });
const names = { 0: 'background', 1: 'left/kidney', 2: 'liver', 5: 'spleen' };

/** Writes a case's labels as masks. Returns the sink and the folder. */
async function write(pred: Volume, fields: Partial<Case> = {}) {
  const output = temporaryFolder();
  const { built } = niftiSink.configure({ perLabel: true, postfix: '' });
  const sink = await built!.open({ output, runtime, seed: 0 });
  const subject = makeCase({ id: 'case', volumes: { pred }, ...fields });
  await sink.write(subject);
  return { sink, subject, folder: join(output, 'case') };
}

test('perLabel writes a mask for every named label and for labels that occur', async () => {
  const { folder, sink, subject } = await write({ ...labels, labelNames: names });
  const files = ['label_7.nii.gz', 'left_kidney.nii.gz', 'liver.nii.gz', 'spleen.nii.gz'];
  assert.equal(readdirSync(folder).sort(), files);
  const voxels = async (file: string) =>
    Array.from((await readVolume(join(folder, file), { kind: 'label' })).data);
  assert.equal(await voxels('liver.nii.gz'), [0, 0, 1, 0]);
  assert.equal(await voxels('label_7.nii.gz'), [0, 0, 0, 1]);
  assert.equal(await voxels('spleen.nii.gz'), [0, 0, 0, 0], 'an organ that was not found has an empty mask');
  assert.equal(
    [...sink.files!(subject)].sort(),
    files.map((file) => join(folder, file)),
  );
  assert.equal(sink.volumes!(subject), {});
});

test("perLabel uses the dataset's names where the volume has none", async () => {
  const { folder } = await write(labels, { labelNames: { 1: 'spleen' } });
  assert.equal(readdirSync(folder).sort(), ['label_2.nii.gz', 'label_7.nii.gz', 'spleen.nii.gz']);
});

test('perLabel writes the channels of masks, without a background', async () => {
  const masks = makeVolume({
    data: Uint8Array.of(1, 0, 0, 1, 1, 1),
    size: [2, 1, 1],
    channels: 3,
    kind: 'label',
  });
  const named = await write({ ...masks, labelNames: { 1: 'core', 2: 'whole' } });
  assert.equal(readdirSync(named.folder).sort(), ['core.nii.gz', 'whole.nii.gz']);
  const core = await readVolume(join(named.folder, 'core.nii.gz'), { kind: 'label' });
  assert.equal(Array.from(core.data), [0, 1]);
  const plain = await write(masks);
  assert.equal(readdirSync(plain.folder).sort(), [
    'channel_0.nii.gz',
    'channel_1.nii.gz',
    'channel_2.nii.gz',
  ]);
});

test('perLabel refuses volumes without labels, and names that mean one file', async () => {
  const fails = async (pred: Volume, message: RegExp) => {
    const error = await write(pred).catch((fault) => fault);
    assert.instance(error, DataError);
    assert.match(error.message, message);
  };
  await fails({ ...labels, kind: 'logits' }, /pred holds logits values. Put asDiscrete before it/);
  await fails(
    { ...labels, labelNames: { 1: 'Liver', 2: 'liver' } },
    /"Liver" and "liver", would both be written/,
  );
  const data = Float32Array.from({ length: 300 }, (_, i) => i);
  await fails(makeVolume({ data, size: [300, 1, 1], kind: 'label' }), /299 labels without a name/);
});

test('the folder is the target, so that a run checks it before it starts', () => {
  const { built } = niftiSink.configure({ perLabel: true });
  const [target] = built!.targets!('/out').ofCase!({ id: 'a' });
  assert.is(target, join('/out', 'a_pred'));
  assert.not.ok(existsSync(target));
});

test.run();
