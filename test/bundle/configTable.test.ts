import { cpSync, existsSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { BundleConfig } from '#src/bundle/config/load.js';
import { toPlain } from '#src/bundle/config/plain.js';
import { VoxError } from '#src/errors.js';
import { shared, sharedPath, testNeeding } from '../needs.js';
import { type ConfigCase, fixtures, inFolderOf, layOutFixture } from './configTable.js';

/** Numbers compare as numbers, with the tolerance of a double's text. */
function same(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number')
    return Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b));
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return a === b;
  const [p, q] = [Object.entries(a), Object.entries(b)];
  if (Array.isArray(a) !== Array.isArray(b) || p.length !== q.length) return false;
  return p.every(([key, value]) => key in b && same(value, (b as Record<string, unknown>)[key]));
}

const sorted = (value: unknown) =>
  Array.isArray(value) ? value.map((item) => JSON.stringify(item)).sort() : value;

/** What differs from MONAI's values, types, refusals and trees of components. */
function differences(one: ConfigCase, layOut: (folder: string) => void): string[] {
  return inFolderOf(one, layOut, (load, fill) => {
    let config: BundleConfig;
    try {
      config = load();
    } catch (error) {
      assert.instance(error, VoxError);
      return one.fails ? [] : [`fails: ${(error as Error).message}`];
    }
    if (one.fails) return ['does not fail'];
    const wrong: string[] = [];
    const resolvedAt = (id: string, from = config, keepDisabled = false): unknown => {
      try {
        return toPlain(from.resolver({ keepDisabled }).resolve(id));
      } catch (error) {
        assert.instance(error, VoxError);
        return error;
      }
    };
    const check = (id: string, got: unknown, expected: unknown) => {
      const any = one.unordered?.includes(id) ? sorted : (value: unknown) => value;
      if (!same(any(got), any(expected)))
        wrong.push(`${id}: ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`);
    };
    for (const [id, expected] of Object.entries(one.expect ?? {})) check(id, resolvedAt(id), fill(expected));
    for (const [id, type] of Object.entries(one.types ?? {})) check(id, resolvedAt(id), { $python: type });
    for (const id of Object.keys(one.errors ?? {})) {
      if (!(resolvedAt(id) instanceof VoxError)) wrong.push(`${id} should fail`);
    }
    if (one.run_init_final_ids) {
      const { run, init, final } = config.ids;
      check('ids', [run, init, final], one.run_init_final_ids);
    }
    if (one.components) {
      const whole = load({ network: '<network>' });
      for (const [id, tree] of Object.entries(one.components)) {
        check(id, comparable(resolvedAt(id, whole, true)), comparable(fill(tree)));
      }
    }
    return wrong;
  });
}

/** A tree without what the two sides write differently: functions, and the name of the device. */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable);
  if (value === null || typeof value !== 'object') return value;
  if ('$python' in value) {
    const text = String(value.$python);
    return {
      $python:
        /^(lambda|device)/.exec(text)?.[0] ?? text.replace(/^monai\.handlers\.from_engine.*/, 'lambda'),
    };
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, comparable(item)]));
}

for (const one of fixtures.cases) {
  test(`${one.name}: values, types, refusals and components are MONAI's`, () => {
    assert.equal(differences(one, layOutFixture(one)), []);
  });
}

const table = 'bundles/config/cases.json';
const all: readonly ConfigCase[] = existsSync(sharedPath(table))
  ? JSON.parse(readFileSync(sharedPath(table), 'utf8'))
  : [];

testNeeding(shared(table), "the whole table: values, types, refusals and components are MONAI's", () => {
  const wrong = all.flatMap((one) => {
    const layOut = (folder: string) =>
      cpSync(sharedPath(`bundles/config/${one.folder}`), folder, { recursive: true, force: true });
    return differences(one, layOut).map((difference) => `${one.name}: ${difference}`);
  });
  assert.equal(wrong, []);
  assert.ok(all.length > 100);
});

test.run();
