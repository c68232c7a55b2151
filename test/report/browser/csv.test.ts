import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { csvOf } from '#src/report/browser/page/csv.js';
import { columns, pageCase } from './cases.js';

test('cases are written as metrics.csv has them: undefined is empty, infinite is inf, and fields are quoted where needed', () => {
  const cases = [pageCase('a,"b"', [0.5, null]), pageCase('c', [1, 'inf'])];
  assert.is(
    csvOf(cases, columns.slice(0, 2)),
    'case,dice_spleen,hd95_spleen\r\n"a,""b""",0.5,\r\nc,1,inf\r\n',
  );
});

test.run();
