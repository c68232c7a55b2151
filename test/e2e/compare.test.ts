import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readCsv, temporaryFolder, voxstream } from './harness.js';

const folder = temporaryFolder();
const put = (name: string, text: string) => {
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, 'metrics.csv'), text);
  return join(folder, name);
};
const a = put('a', 'case,dice_spleen,hd_spleen\nct_1,0.9,3\nct_2,0.8,\n');
const b = put('b', 'case,dice_spleen,hd_spleen\nct_2,0.7,inf\nct_1,0.95,3\n');

test('compare takes the folders of runs or CSV files, and prints a table', async () => {
  const { code, stdout } = await voxstream(['compare', a, join(b, 'metrics.csv')]);
  assert.is(code, 0);
  assert.match(stdout, /2 case\(s\) in both runs/);
  assert.match(stdout, /dice_spleen +2 +0\.8500 +0\.8250 +-0\.0250/);
  assert.match(stdout, /dice_spleen, got worse the most: ct_2 0\.8 → 0\.7\./);
});

test('compare writes the paired values, and prints JSON, of the metrics asked for', async () => {
  const output = join(folder, 'paired.csv');
  const { stdout } = await voxstream(['compare', a, b, '--metrics', 'hd', '--json', '-o', output]);
  const { metrics } = JSON.parse(stdout);
  assert.equal(Object.keys(metrics), ['hd_spleen']);
  assert.is(metrics.hd_spleen.same, 1);
  assert.equal(metrics.hd_spleen.changedKind, [{ case: 'ct_2', a: 'nan', b: 'inf' }]);
  assert.equal(readCsv(output), [
    { case: 'ct_1', metric: 'hd_spleen', a: '3', b: '3', difference: '0' },
    { case: 'ct_2', metric: 'hd_spleen', a: '', b: 'inf', difference: '' },
  ]);
});

test('compare says what is wrong', async () => {
  const message = async (...args: string[]) => {
    const { code, stderr } = await voxstream(['compare', ...args]);
    assert.is(code, 1);
    return stderr;
  };
  assert.match(await message(a, '/nowhere'), /\/nowhere cannot be read/);
  assert.match(await message(a, put('c', 'case,dice_spleen\nother,1\n')), /have no cases in common/);
  assert.match(await message(a, b, '--metrics', 'dise'), /there is no column .* "dise"/);
});

test.run();
