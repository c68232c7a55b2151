import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { askChild } from '#src/runtime/askChild.js';
import { temporaryFolder } from '../e2e/harness.js';

/** A module with this text. */
function moduleOf(text: string): URL {
  const file = join(temporaryFolder(), 'child.mjs');
  writeFileSync(file, text);
  return pathToFileURL(file);
}

test('a child answers with its first message, and is ended though it goes on', async () => {
  const child = moduleOf(
    'console.error("noise"); process.send({ pid: process.pid, args: process.argv.slice(2) }); setInterval(() => {}, 1000);',
  );
  const asked = await askChild<{ pid: number; args: string[] }>(child, ['a', 'b c'], 30);
  assert.ok('reply' in asked);
  assert.equal(asked.reply.args, ['a', 'b c']);
  assert.throws(() => process.kill(asked.reply.pid, 0), /ESRCH/);
  assert.is(asked.stderr, 'noise\n');
});

test('a crash of the child is reported and does no harm', async () => {
  const asked = await askChild(
    moduleOf('process.kill(process.pid, "SIGSEGV"); setInterval(() => {}, 1000);'),
    [],
    30,
  );
  assert.ok('fault' in asked);
  assert.is(asked.fault, 'its process was ended by SIGSEGV');
});

test('a child that throws is reported with its exit code and what it wrote to stderr', async () => {
  const asked = await askChild(moduleOf('throw new Error("no such library");'), [], 30);
  assert.ok('fault' in asked);
  assert.is(asked.fault, 'its process ended with exit code 1');
  assert.match(asked.stderr, /Error: no such library/);
});

test('a child that hangs is ended after the time it was given', async () => {
  const asked = await askChild(moduleOf('for (;;);'), [], 0.5);
  assert.ok('fault' in asked);
  assert.is(asked.fault, 'it gave no answer within 0.5 s');
});

test.run();
