import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sha256Of } from '#src/models/checksum.js';
import { temporaryFolder } from '../e2e/harness.js';

test('sha256Of reads a file again when it has changed, also to one of the same size', async () => {
  const file = join(temporaryFolder(), 'model.onnx');
  for (const content of ['first', 'other', 'other']) {
    writeFileSync(file, content);
    assert.is(await sha256Of(file), createHash('sha256').update(content).digest('hex'));
  }
});

test('sha256Of can read a file that was missing before', async () => {
  const file = join(temporaryFolder(), 'model.onnx');
  const missing = await sha256Of(file).catch((error) => error.code);
  assert.is(missing, 'ENOENT');
  writeFileSync(file, '');
  assert.is(await sha256Of(file), createHash('sha256').digest('hex'));
});

test.run();
