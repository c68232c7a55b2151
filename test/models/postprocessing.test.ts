import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, messageOf } from '#src/errors.js';
import { readPostprocessing } from '#src/models/nnunet/postprocessing.js';
import { temporaryFolder } from '../e2e/harness.js';

const place = temporaryFolder();
const name = 'remove_all_but_largest_component_from_segmentation';

function write(file: string, content: string | Uint8Array): string {
  writeFileSync(join(place, file), content);
  return join(place, file);
}

const json = (fns: unknown, kwargs: unknown) =>
  write('postprocessing.json', JSON.stringify({ postprocessing_fns: fns, postprocessing_kwargs: kwargs }));

/** A pickle of protocol 2: the opcodes as latin1 text. */
const pickle = (opcodes: string) => write('postprocessing.pkl', Buffer.from(`\x80\x02${opcodes}.`, 'latin1'));

const text = (value: string) => `X${String.fromCharCode(value.length)}\0\0\0${value}`;

async function fault(file: string): Promise<string> {
  const error = await readPostprocessing(file).then(
    () => new Error('nothing was thrown'),
    (thrown) => thrown,
  );
  assert.instance(error, ModelError);
  return messageOf(error);
}

test('rules in JSON: a label, a region, and a list of them', async () => {
  const kwargs = [1, [2, 3], [[1, 2], 4]].map((labels) => ({
    labels_or_regions: labels,
    background_label: 0,
  }));
  assert.equal(await readPostprocessing(json([name, name, name], kwargs)), [[1], [2, 3], [1, 2, 4]]);
  assert.equal(await readPostprocessing(json([], [])), []);
});

test('rules in a pickle: the function is a name and is not called', async () => {
  const kwargs = `}(${text('labels_or_regions')}K\x01K\x02\x86${text('background_label')}K\0u`;
  const functions = `]cnnunetv2.postprocessing.remove_connected_components\n${name}\na`;
  assert.equal(await readPostprocessing(pickle(`${functions}]${kwargs}a\x86`)), [[1, 2]]);
});

test('a pickle that would run something is refused', async () => {
  const system = pickle(`cos\nsystem\n(${text('touch /tmp/owned')}tR`);
  assert.match(
    await fault(system),
    /postprocessing\.pkl cannot be read as rules for postprocessing: .*os\.system/,
  );
  assert.match(
    await fault(pickle(`]cother.module\nfunction\na]}a\x86`)),
    /it calls function, but only remove_all_but_largest_component_from_segmentation is known/,
  );
});

test('damaged files and unknown arguments are refused', async () => {
  assert.match(await fault(write('postprocessing.json', '{')), /cannot be read as rules/);
  assert.match(await fault(json([name], [])), /must hold a list of functions, and a list of their arguments/);
  assert.match(await fault(json(['fill'], [{}])), /it calls fill, but only/);
  assert.match(await fault(json([name], [{ labels_or_regions: 1, min_size: 3 }])), /the argument min_size/);
  assert.match(await fault(json([name], [{ labels_or_regions: 0 }])), /labels_or_regions is 0/);
  assert.match(
    await fault(json([name], [{ labels_or_regions: 1, background_label: 2 }])),
    /background_label is 2/,
  );
  assert.match(await fault(pickle('N')), /must hold a list of functions/);
});

test.run();
