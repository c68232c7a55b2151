import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase } from '#src/case.js';
import { readVolume } from '#src/formats/index.js';
import { createRuntime } from '#src/runtime/runtime.js';
import type { Volume } from '#src/volume/volume.js';
import { fixtures } from './e2e/harness.js';
import { shared, sharedPath, testNeeding } from './needs.js';
import { runSteps, type Step } from './shared.js';

/** A case file of test/fixtures/golden. The README there explains the fields. */
interface GoldenCase {
  readonly steps: readonly Step[];
  readonly volumes: Readonly<Record<string, string>>;
  readonly expect: Readonly<Record<string, string>>;
  readonly tolerance: number;
}

const runtime = createRuntime({ device: 'cpu' });
test.after(() => runtime.close());

test('a step with an unknown operator or option is refused by name', async () => {
  const subject = makeCase({ id: 'a' });
  const fault = async (steps: Step[]) => runSteps(subject, steps, runtime).catch((error) => error.message);
  assert.is(
    await fault(['load', { oreint: {} }]),
    'Step 2: there is no operator "oreint"; did you mean "orient"?',
  );
  assert.match(await fault([{ orient: { axcode: 'RAS' } }]), 'axcode is not an option of orient');
});

/** The number of case files of each kind. A case that is lost must not pass in silence. */
const kinds = { geometry: 6, crop: 3, intensity: 3, inference: 3, invert: 4, post: 6, transforms: 6 };
const golden = join(fixtures, 'golden');
for (const [kind, count] of Object.entries(kinds)) {
  let compared = 0;
  for (const name of readdirSync(join(golden, kind)).sort()) {
    const folder = join(golden, kind, name);
    for (const file of readdirSync(folder).filter((entry) => entry.endsWith('.json'))) {
      test(`${kind}/${name}/${file} gives what MONAI 1.3.2 gives`, async () => {
        await check(folder, file, kind);
        compared++;
      });
    }
  }
  test(`all golden cases of ${kind} were compared`, () => assert.is(compared, count));
}

testNeeding(
  shared('transforms'),
  'every case of ../shared/transforms gives what MONAI 1.3.2 gives',
  async () => {
    let compared = 0;
    for (const kind of ['channels', 'geometry', 'intensity']) {
      for (const name of readdirSync(sharedPath(join('transforms', kind)))) {
        await check(sharedPath(join('transforms', kind, name)), 'case.json', kind);
        compared++;
      }
    }
    assert.is(compared, 33);
  },
);

async function check(folder: string, file: string, kind: string): Promise<void> {
  const { steps, volumes, expect, tolerance }: GoldenCase = JSON.parse(
    readFileSync(join(folder, file), 'utf8'),
  );
  const files = Object.fromEntries(Object.entries(volumes).map(([key, path]) => [key, join(folder, path)]));
  const placed = steps.map((step) => {
    if (typeof step === 'string' || !step['inference']) return step;
    const options = step['inference'] as { model: string };
    return { inference: { ...options, model: join(folder, options.model) } };
  });
  const result = await runSteps(makeCase({ id: file, files }), placed, runtime);
  // Ties of the argmax may fall either way after an inversion: 1 voxel in 100,000, see the README of the
  // cases.
  const allowed = kind === 'invert' && tolerance === 0 ? 1e-5 : 0;
  for (const [key, path] of Object.entries(expect)) {
    const expected = await readVolume(join(folder, path), { kind: 'image' });
    compare(key, result.volumes[key], expected, tolerance, allowed);
  }
}

function compare(
  key: string,
  found: Volume | undefined,
  expected: Volume,
  tolerance: number,
  allowed: number,
): void {
  assert.ok(found, `there is no ${key}`);
  assert.equal(found.size, expected.size, `size of ${key}`);
  assert.is(found.channels, expected.channels, `channels of ${key}`);
  found.affine.forEach((value, i) => {
    assert.ok(Math.abs(value - expected.affine[i]) <= 1e-4, `affine of ${key}: ${found.affine}`);
  });
  let different = 0;
  let largest = 0;
  for (let i = 0; i < expected.data.length; i++) {
    const difference = Math.abs(found.data[i] - expected.data[i]);
    // NaN counts as a difference.
    if (!(difference <= tolerance)) different++;
    if (!(difference <= largest)) largest = difference;
  }
  assert.ok(
    different <= allowed * expected.data.length,
    `${key}: ${different} of ${expected.data.length} voxels differ by more than ${tolerance}, the most by ${largest}`,
  );
}

test.run();
