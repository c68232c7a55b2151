import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const root = new URL('../../', import.meta.url);
const folder = new URL('models/spleen_band/', root);
const card = JSON.parse(readFileSync(new URL('metadata.json', folder), 'utf8'));
const model = readFileSync(new URL(card.file, folder));

test("the demo model's card has the checksum of its file, which is small", () => {
  assert.is(createHash('sha256').update(model).digest('hex'), card.sha256);
  assert.ok(model.length < 50_000);
});

test('the script that made the demo model makes the same files again', () => {
  const made = mkdtempSync(join(tmpdir(), 'voxstream-model-'));
  try {
    execFileSync(process.execPath, ['scripts/make-demo-model.mjs', made], { cwd: root, stdio: 'ignore' });
    assert.equal(readFileSync(join(made, 'model.onnx')), model);
    assert.equal(JSON.parse(readFileSync(join(made, 'metadata.json'), 'utf8')), card);
  } finally {
    rmSync(made, { recursive: true });
  }
});

test.run();
