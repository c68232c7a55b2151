import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstValueFrom, of } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase } from '#src/case.js';
import { ModelError } from '#src/errors.js';
import { findModel } from '#src/models/findModel.js';
import { checkModelFolder, writeModelFolder } from '#src/models/folder.js';
import { runnableModel } from '#src/models/form.js';
import { optimizedModel } from '#src/models/optimizedModel.js';
import { inference } from '#src/operators/inference.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { makeVolume } from '#src/volume/volume.js';
import { bandModel, temporaryFolder } from '../e2e/harness.js';

const runtime = createRuntime({ device: 'cpu' });
test.after(() => runtime.close());
const folder = temporaryFolder();
const original = await findModel(bandModel);

async function fault(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => new Error('nothing was thrown'),
    (thrown) => thrown,
  );
  assert.instance(error, ModelError, error.message);
  return error.message;
}

test('an optimized model gives what the original gives, and its card says what was done', async () => {
  const made = await optimizedModel(original, { target: 'cpu', roiSize: [16, 12, 8] });
  const { card, sha256 } = await writeModelFolder(join(folder, 'cpu'), made);
  assert.is(card.name, 'spleen_band-cpu');
  assert.is(card.axes, 'zyx');
  assert.equal(card.input.patch, [16, 12, 8]);
  assert.equal(card.labels, original.card.labels);
  assert.is(card.optimized?.original, original.sha256);
  assert.ok(card.optimized?.passes.includes('permuteAxes'));
  assert.ok(card.optimized!.maxDifference < 1e-4, `${card.optimized?.maxDifference}`);
  assert.is((await findModel(join(folder, 'cpu'))).sha256, sha256);

  const size = [20, 15, 9] as const;
  const data = Float32Array.from({ length: 20 * 15 * 9 }, (_, i) => ((i * 37) % 101) / 100);
  const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  const subject = makeCase({ id: 'a', volumes: { image: makeVolume({ data, size: [...size], affine }) } });
  const outputs: ArrayLike<number>[] = [];
  for (const model of [bandModel, join(folder, 'cpu')]) {
    const step = inference({ model, roiSize: [16, 12, 8] }, { id: 'inference', runtime });
    outputs.push((await firstValueFrom(of(subject).pipe(step))).volumes.pred.data);
  }
  const [expected, actual] = outputs;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) worst = Math.max(worst, Math.abs(expected[i] - actual[i]));
  assert.is(actual.length, expected.length);
  assert.ok(worst < 1e-3, `the largest difference is ${worst}`);
  assert.ok(Math.max(...Array.from(expected)) > 1, 'the logits are not all about zero');
});

test('an optimized model is refused for another use, and never rewritten again', async () => {
  const files = await findModel(join(folder, 'cpu'));
  assert.equal(await runnableModel(files, {}, 'cpu'), {
    file: files.file,
    axes: 'zyx',
    difference: false,
  });
  assert.match(
    await fault(runnableModel(files, {}, 'webgpu')),
    /is a form for cpu, but the device is webgpu\. Give the original/,
  );
  const roiSize = [16, 16, 16] as const;
  assert.match(
    await fault(runnableModel(files, { roiSize }, 'cpu')),
    /a form for windows of \[16, 12, 8\] voxels, but roiSize is \[16, 16, 16\]/,
  );
  const card = { ...files.card, optimized: { ...files.card.optimized!, channelBlock: 5 } };
  assert.match(
    await fault(runnableModel({ ...files, card }, {}, 'cpu')),
    /processors with blocks of 5 channels, but this one/,
  );
  assert.match(await fault(optimizedModel(files, { target: 'cuda' })), /is already optimized for cpu/);
});

test('half precision is for GPUs, and a model without a patch needs one', async () => {
  const roiSize = [8, 8, 8] as const;
  assert.match(
    await fault(optimizedModel(original, { target: 'cpu', precision: 'float16', roiSize })),
    /computes in float32 on CPUs/,
  );
  const { card } = await optimizedModel(original, { target: 'webgpu', precision: 'float16', roiSize });
  assert.is(card.name, 'spleen_band-webgpu-float16');
  assert.ok(card.optimized.passes.includes('halfPrecision'));
  const bare = { ...original, card: { ...original.card, input: {} } };
  assert.match(
    await fault(optimizedModel(bare, { target: 'cpu' })),
    /is optimized for one window size, but the card of .* has none .* --patch/,
  );
});

test('a model folder appears complete, replaces a model only on request, and never replaces anything else', async () => {
  const bytes = Uint8Array.of(1, 2, 3);
  const place = join(folder, 'new/model');
  const first = await writeModelFolder(place, { bytes, card: { name: 'a', labels: { 1: 'spleen' } } });
  assert.is(first.card.file, 'model.onnx');
  assert.match(
    await fault(writeModelFolder(place, { bytes, card: { name: 'b' } })),
    /already holds a model\. Give --force/,
  );
  writeFileSync(join(place, 'LICENSE'), 'of others');
  await writeModelFolder(place, { bytes: Uint8Array.of(4), card: { name: 'b' } }, true);
  assert.equal(readdirSync(place).sort(), ['LICENSE', 'metadata.json', 'model.onnx']);
  assert.equal(readdirSync(join(place, '..')), ['model']);
  assert.equal([...readFileSync(join(place, 'model.onnx'))], [4]);
  assert.is(JSON.parse(readFileSync(join(place, 'metadata.json'), 'utf8')).name, 'b');
  const own = join(folder, 'own');
  mkdirSync(own);
  writeFileSync(join(own, 'thesis.txt'), '');
  assert.match(
    await fault(checkModelFolder(own, true)),
    /own exists and is not a model folder: it holds thesis\.txt/,
  );
  assert.match(
    await fault(writeModelFolder(join(folder, 'faulty'), { bytes, card: { name: 'a', axes: 'yxz' } })),
    /axes is "yxz"/,
  );
});

test.run();
