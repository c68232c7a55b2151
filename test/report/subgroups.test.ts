import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readSubgroups, sortedGroups } from '#src/report/subgroups.js';
import { temporaryFolder } from '../e2e/harness.js';

const file = join(temporaryFolder(), 'scans.csv');
const read = async (text: string, ...columns: string[]) => {
  writeFileSync(file, text);
  return (await readSubgroups(file, columns)).map(({ name, of }) => [name, Object.fromEntries(of)]);
};
const failure = (text: string, ...columns: string[]) =>
  read(text, ...columns).catch(({ message }) => message);

test('columns are read by case, from the column case or id, or the first one', async () => {
  const scanners = ['scanner', { a: 'GE', b: 'Siemens "X"' }];
  assert.equal(await read('\ufeffscanner,case\nGE,a\n"Siemens ""X""",b\n,c\n', 'scanner'), [scanners]);
  assert.equal(await read('patient,scanner,site\na, GE ,1\nb,,2\n', 'site', 'scanner'), [
    ['site', { a: '1', b: '2' }],
    ['scanner', { a: 'GE' }],
  ]);
  assert.equal(await read('case;scanner\na;"GE; 3 T"\n', 'scanner'), [['scanner', { a: 'GE; 3 T' }]]);
});

test('an unknown column, two rows for a case, and files that are not CSV are refused', async () => {
  assert.match(
    await failure('case,scanner\na,GE\n', 'scaner'),
    /--by: there is no column in .*"scaner"; did you mean "scanner"\?/,
  );
  assert.match(
    await failure('case,s\na,1\na,2\n', 's'),
    /has two rows for the case "a"\. Keep one of them\.$/,
  );
  assert.match(await failure('case,s\na,1,2\n', 's'), /scans\.csv is not a CSV file: /);
  assert.match(
    await readSubgroups('/nowhere.csv', ['s']).catch(({ message }) => message),
    /\/nowhere\.csv cannot be read/,
  );
});

test('groups are sorted as people count', () => {
  assert.equal(sortedGroups(['site 10', 'site 2', 'site 10']), ['site 2', 'site 10']);
});

test.run();
