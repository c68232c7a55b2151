import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkOptions } from '#src/options.js';
import { exampleText, groupsOf, referencePage } from '#src/pipeline/reference.js';
import { createRegistry } from '#src/pipeline/registry.js';
import { pipelineSchema } from '#src/pipeline/schema.js';
import { root } from '../e2e/harness.js';

const registry = createRegistry();
const { operators, losses } = registry;
const all = groupsOf(registry).flatMap(({ definitions }) => definitions);

test('the schema and the reference match the definitions (node scripts/generate.mjs writes them)', () => {
  const schema = readFileSync(join(root, 'schema/pipeline.schema.json'), 'utf8');
  assert.is(schema, `${JSON.stringify(pipelineSchema(), null, 2)}\n`);
  assert.is(readFileSync(join(root, 'docs/operators.md'), 'utf8'), referencePage());
});

test('every example is valid, and every option is described', () => {
  for (const definition of all) {
    assert.equal(checkOptions(definition, definition.example).faults, [], definition.name);
    // Networks have MONAI's parameters under MONAI's names; MONAI's documentation describes them.
    if (registry.networks.get(definition.name) === definition) continue;
    for (const [name, type] of Object.entries(definition.options)) {
      assert.ok(type.description, `${definition.name}.${name}`);
    }
  }
});

test('an example is shown as a line of a pipeline file', () => {
  const spacing = operators.get('spacing');
  assert.ok(spacing);
  assert.is(
    exampleText(spacing),
    '- spacing: { pixdim: [ 1.5, 1.5, 2 ], mode: { image: bilinear, label: nearest } }',
  );
  const dice = losses.get('dice');
  assert.ok(dice);
  assert.is(exampleText(dice, 'loss'), 'loss: { dice: { softmax: true, includeBackground: false } }');
});

test.run();
