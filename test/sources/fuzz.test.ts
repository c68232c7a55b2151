import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VoxError } from '#src/errors.js';
import { inputPaths } from '#src/formats/inputFiles.js';
import { datalist } from '#src/sources/datalist.js';
import { decathlon } from '#src/sources/decathlon.js';
import type { OpenableSource, SourceItem } from '#src/sources/define.js';
import { Random } from '#src/volume/random.js';
import { temporaryFolder } from '../e2e/harness.js';
import { mutateText } from '../fuzz/mutate.js';
import { stopServer, targets } from '../fuzz/targets.js';

/** So many mutated files of each kind. */
const rounds = 2000;

const kinds: Readonly<Record<string, (folder: string) => OpenableSource | undefined>> = {
  'dataset.json': (root) => decathlon.configure({ root }).built,
  'datalist.json': (folder) => datalist.configure({ path: join(folder, 'a.json') }).built,
  'datalist.csv': (folder) => datalist.configure({ path: join(folder, 'a.csv') }).built,
};

/** Throws unless an item is a refusal in a sentence, or a case with files inside of the folder. */
function checkItem(item: SourceItem, folder: string): void {
  assert.type(item.id, 'string');
  if ('refused' in item) {
    assert.ok(item.refused.endsWith('.'), item.refused);
    return;
  }
  if (!('files' in item)) throw new Error('no list names remote cases');
  assert.ok(item.id.length > 0);
  assert.ok(Object.keys(item.files).length > 0);
  for (const path of inputPaths(item)) assert.ok(`${path}/`.startsWith(`${folder}/`), path);
  for (const [label, name] of Object.entries(item.labelNames ?? {})) {
    assert.ok(Number.isSafeInteger(Number(label)) && name.length > 0, `${label}: ${name}`);
  }
}

for (const [kind, open] of Object.entries(kinds)) {
  test(`${rounds} mutated files of ${kind} give cases, or a sentence that says what is wrong`, async () => {
    const { name, seeds } = targets[kind];
    const random = new Random(1, 0);
    const folder = temporaryFolder();
    mkdirSync(folder, { recursive: true });
    const counts = { read: 0, refused: 0 };
    for (let round = 0; round < rounds; round++) {
      const bytes = mutateText(seeds[random.integer(seeds.length)], random, seeds);
      writeFileSync(join(folder, name), bytes);
      try {
        const warnings: string[] = [];
        const items = open(folder)?.open({ onWarning: (text) => warnings.push(text) });
        for await (const item of items ?? []) checkItem(item, folder);
        for (const text of warnings) assert.ok(text.endsWith('.'), text);
        counts.read++;
      } catch (error) {
        if (!(error instanceof VoxError)) throw error;
        assert.ok(error.message.endsWith('.'), `${error.message}\n${bytes.toString('latin1').slice(0, 400)}`);
        counts.refused++;
      }
    }
    // Both ends are reached.
    assert.ok(counts.read > rounds / 20 && counts.refused > rounds / 20, JSON.stringify(counts));
  });
}

test.after(stopServer);
test.run();
