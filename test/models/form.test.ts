import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findModel } from '#src/models/findModel.js';
import { keptModel, runnableModel } from '#src/models/form.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { bandModel, temporaryFolder } from '../e2e/harness.js';
import { root, testNeeding } from '../needs.js';
import { conv, graphOf, leakyRelu } from '../onnx/models.js';

const model = await findModel(bandModel);
const roiSize = [16, 12, 8] as const;
const inForm = (folder: string) => runnableModel(model, { roiSize }, 'cpu', folder);
const modeOf = (path: string) => statSync(path).mode & 0o777;
const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const cardOf = (file: string) => file.replace(/\.onnx$/, '.json');

/** A fresh form in a folder, and what it holds. */
async function made() {
  const folder = join(temporaryFolder(), 'deep/rewritten');
  const { file, warning } = await inForm(folder);
  assert.is(warning, undefined);
  return { folder, file, bytes: readFileSync(file), card: readFileSync(cardOf(file), 'utf8') };
}

test('a form is kept in a private folder, with its checksum, and used again', async () => {
  const { folder, file, bytes, card } = await made();
  assert.is(modeOf(folder), 0o700);
  assert.is(modeOf(file), 0o600);
  assert.is(JSON.parse(card).sha256, sha256Of(bytes));
  const { mtimeMs, ino } = statSync(file);
  assert.is((await inForm(folder)).file, file);
  assert.equal([statSync(file).mtimeMs, statSync(file).ino], [mtimeMs, ino]);
});

test('a damaged form or card is rebuilt', async () => {
  const { folder, file, bytes, card } = await made();
  const fields = JSON.parse(card);
  // The windows that are compared are random.
  const { maxDifference: _, ...expected } = fields;
  const damages: Record<string, () => void> = {
    'changed bytes': () => {
      const changed = Buffer.from(bytes);
      for (let i = changed.length - 500; i < changed.length; i++) changed[i] ^= 0x55;
      writeFileSync(file, changed);
    },
    'a cut file': () => truncateSync(file, bytes.length >> 1),
    'an empty file': () => truncateSync(file, 0),
    'a card that is cut': () => truncateSync(cardOf(file), 20),
    'a card of the earlier form': () =>
      writeFileSync(cardOf(file), JSON.stringify({ ...fields, sha256: undefined })),
    'a card with other axes': () => writeFileSync(cardOf(file), JSON.stringify({ ...fields, axes: 'yxz' })),
    'a card of another model': () =>
      writeFileSync(cardOf(file), JSON.stringify({ ...fields, original: 'ab'.repeat(32) })),
    'a card that is a list': () => writeFileSync(cardOf(file), '[]'),
  };
  for (const [what, damage] of Object.entries(damages)) {
    damage();
    const again = await inForm(folder);
    assert.equal([again.file, again.warning], [file, undefined], what);
    assert.is(Buffer.compare(readFileSync(file), bytes), 0, `${what}: the form is as it was`);
    const { maxDifference, ...found } = JSON.parse(readFileSync(cardOf(file), 'utf8'));
    assert.equal(found, expected, `${what}: the card is as it was`);
    assert.type(maxDifference, 'number');
  }
});

test('large weights are in a file beside the form, and a damaged one is rebuilt', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'wide.onnx');
  const wide = graphOf(1, (g, x) => conv(g, leakyRelu(g, conv(g, x, [1, 16])), [16, 16]), 16);
  writeFileSync(file, writeModel(wide));
  const found = await findModel(file);
  const kept = join(folder, 'rewritten');
  const inForm = () => runnableModel(found, { roiSize }, 'cpu', kept);
  const form = await inForm();
  const { weights } = JSON.parse(readFileSync(cardOf(form.file), 'utf8'));
  const path = join(kept, weights.name);
  const bytes = readFileSync(path);
  assert.is(weights.sha256, sha256Of(bytes));
  assert.is(modeOf(path), 0o600);
  const damages: Record<string, () => void> = {
    'a changed byte': () => writeFileSync(path, bytes.with(100, bytes[100] ^ 1)),
    'no file': () => rmSync(path),
    'a file that others can change': () => chmodSync(path, 0o666),
    'a card with a path': () =>
      writeFileSync(
        cardOf(form.file),
        readFileSync(cardOf(form.file), 'utf8').replace(weights.name, `../rewritten/${weights.name}`),
      ),
  };
  for (const [what, damage] of Object.entries(damages)) {
    const { ino } = statSync(path);
    damage();
    assert.equal(await keptModel(found, { roiSize }, 'cpu', kept), undefined, what);
    assert.equal(await inForm(), form, what);
    assert.is(Buffer.compare(readFileSync(path), bytes), 0, what);
    assert.is(modeOf(path), 0o600, what);
    assert.is.not(statSync(path).ino, ino, what);
  }
});

test('a form that others could change is rebuilt, and its folder becomes private', async () => {
  const { folder, file, bytes, card } = await made();
  const planted = Buffer.concat([bytes, Buffer.from([0])]);
  chmodSync(folder, 0o777);
  writeFileSync(file, planted);
  chmodSync(file, 0o666);
  writeFileSync(cardOf(file), JSON.stringify({ ...JSON.parse(card), sha256: sha256Of(planted) }));
  assert.is((await inForm(folder)).file, file);
  assert.is(Buffer.compare(readFileSync(file), bytes), 0);
  assert.is(modeOf(folder), 0o700);
  assert.is(modeOf(file), 0o600);
});

test('a form that is a symbolic link is rebuilt, and the link ends', async () => {
  const { folder, file, bytes } = await made();
  const elsewhere = join(temporaryFolder(), 'elsewhere.onnx');
  writeFileSync(elsewhere, bytes);
  rmSync(file);
  symlinkSync(elsewhere, file);
  await inForm(folder);
  assert.ok(!lstatSync(file).isSymbolicLink());
  assert.is(Buffer.compare(readFileSync(elsewhere), bytes), 0);
});

/** The user `nobody`: another user than the one who runs the tests. */
const nobody = 65534;

testNeeding(root, 'a form of another user is rebuilt, although its checksum is right', async () => {
  const { folder, file, bytes, card } = await made();
  const planted = Buffer.concat([bytes, Buffer.from([0])]);
  writeFileSync(file, planted);
  writeFileSync(cardOf(file), JSON.stringify({ ...JSON.parse(card), sha256: sha256Of(planted) }));
  chownSync(file, nobody, nobody);
  await inForm(folder);
  assert.is(Buffer.compare(readFileSync(file), bytes), 0);
  assert.is(statSync(file).uid, process.getuid?.());
});

testNeeding(
  root,
  'a folder that another user made among the temporary files is not used: the model is run as it is',
  async () => {
    const { bytes, card, file } = await made();
    const shared = temporaryFolder();
    const unwritable = join(shared, 'file/rewritten');
    writeFileSync(join(shared, 'file'), '');
    const before = process.env.TMPDIR;
    process.env.TMPDIR = shared;
    try {
      const own = await inForm(unwritable);
      assert.is(own.warning, undefined, 'without a trap, the form is kept among the temporary files');
      const place = join(own.file, '..');
      assert.is(modeOf(place), 0o700);
      assert.ok(place.startsWith(shared), place);
      // As another user would have made it before.
      rmSync(place, { recursive: true });
      mkdirSync(place, { mode: 0o777 });
      const name = own.file.slice(place.length + 1);
      writeFileSync(join(place, name), bytes);
      writeFileSync(join(place, cardOf(name)), card);
      for (const path of [place, join(place, name), join(place, cardOf(name))])
        chownSync(path, nobody, nobody);
      const trapped = await inForm(unwritable);
      assert.is(trapped.file, model.file);
      assert.match(trapped.warning ?? '', /voxstream-rewritten-\d+ belongs to another user/);
      // The same by a link to a folder of this user.
      rmSync(place, { recursive: true });
      symlinkSync(join(file, '..'), place);
      lchownSync(place, nobody, nobody);
      assert.match((await inForm(unwritable)).warning ?? '', /belongs to another user/);
      assert.equal(readdirSync(shared).sort(), ['file', place.slice(shared.length + 1)].sort());
      assert.ok(existsSync(file));
    } finally {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
    }
  },
);

test.run();
