import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { keptCosts, machineCosts, plausible } from '#src/models/machineCosts.js';
import { usualCosts } from '#src/onnx/slices/costs.js';

test('costs are measured once per machine, and again where they are damaged or of another machine', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'voxstream-costs-'));
  const file = join(folder, 'costs.json');
  try {
    assert.is(await keptCosts(16, folder), undefined);
    const atOnce = await Promise.all(Array.from({ length: 3 }, () => machineCosts(16, folder)));
    for (const costs of atOnce) assert.equal(costs, await keptCosts(16, folder));
    assert.equal(await readdir(folder), ['costs.json']);
    const { machine } = JSON.parse(await readFile(file, 'utf8'));
    const known = { output: 31, cut: 68, combine: 23 };
    await writeFile(file, JSON.stringify({ machine, costs: known }));
    assert.equal(await machineCosts(16, folder), known);
    assert.is(await keptCosts(8, folder), undefined);
    for (const damaged of ['{', JSON.stringify({ machine, costs: { output: 'a' } })]) {
      await writeFile(file, damaged);
      assert.is(await keptCosts(16, folder), undefined);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('costs that nobody could have measured are limited', () => {
  const impossible = plausible({ output: -5, cut: 1e9, combine: Number.NaN });
  assert.equal(impossible, { output: 4, cut: 172, combine: usualCosts.combine });
  assert.equal(plausible({ output: 30.4, cut: 50, combine: 20 }), { output: 30, cut: 50, combine: 20 });
});

test.run();
