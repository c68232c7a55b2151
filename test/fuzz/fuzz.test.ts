import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VoxError } from '#src/errors.js';
import { temporaryFolder } from '../e2e/harness.js';
import { findings, readBytes, stopServer, targets } from './targets.js';

// `npm run fuzz` looks for more; see run.ts.

/** Ends in a value or in a VoxError. */
async function readOrRefuse(target: string, bytes: Uint8Array): Promise<'read' | 'refused'> {
  try {
    await readBytes(targets[target], bytes, temporaryFolder());
    return 'read';
  } catch (error) {
    assert.instance(error, VoxError, error instanceof Error ? error.stack : String(error));
    assert.ok((error as VoxError).message.length < 20_000);
    return 'refused';
  }
}

test('every parser reads its sound files, so that the fuzz suite reaches it', async () => {
  for (const [name, { seeds }] of Object.entries(targets)) {
    const ends = [];
    for (const bytes of seeds) ends.push(await readOrRefuse(name, bytes));
    assert.ok(ends.includes('read'), `${name}: ${ends}`);
  }
});

for (const file of existsSync(findings) ? readdirSync(findings).sort() : []) {
  const [target] = file.split('~');
  if (!(target in targets)) continue;
  test(`${file}, which once broke a parser, is read or refused in a sentence`, async () => {
    await readOrRefuse(target, readFileSync(join(findings, file)));
  });
}

test.after(stopServer);
test.run();
