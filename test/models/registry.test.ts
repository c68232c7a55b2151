import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { packageRegistry, readRegistry } from '#src/models/registry.js';
import { parsePipeline } from '#src/pipeline/load.js';

test('each model of the registry states its preprocessing, so that "voxstream segment" can run it', async () => {
  const entries = [...(await readRegistry(packageRegistry))];
  assert.ok(entries.length > 0);
  for (const [name, { card }] of entries) {
    const { input } = card as { input?: { preprocessing?: unknown[]; spacing?: unknown; axcodes?: unknown } };
    assert.ok(input?.preprocessing && input.spacing && input.axcodes, name);
    const pipeline = { source: { glob: { image: 'x' } }, steps: input.preprocessing };
    assert.ok(parsePipeline(JSON.stringify(pipeline)).steps.length > 1, name);
  }
});

test.run();
