import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '#src/errors.js';
import { parseMetrics } from '#src/metrics/parseMetrics.js';
import { builtInColumn, namedRows } from './values.js';

const read = (text: string) => parseMetrics(text, 'm.csv', builtInColumn);

test('parseMetrics reads what metricsCsv writes', () => {
  const text = '\ufeffcase,dice_spleen,hd_spleen\r\n"a, b",0.5,inf\r\nc,,-inf\r\nd,NaN,3\r\n';
  assert.equal(namedRows(read(text)), [
    { case: 'a, b', metrics: { dice_spleen: 0.5, hd_spleen: Number.POSITIVE_INFINITY } },
    { case: 'c', metrics: { dice_spleen: Number.NaN, hd_spleen: Number.NEGATIVE_INFINITY } },
    { case: 'd', metrics: { dice_spleen: Number.NaN, hd_spleen: 3 } },
  ]);
});

test('parseMetrics refuses what is not a table of numbers, and says where', () => {
  const message = (text: string) => {
    try {
      read(text);
    } catch (error) {
      assert.instance(error, DataError);
      return (error as Error).message;
    }
    throw new Error('nothing was thrown');
  };
  assert.match(
    message('case,dice\na,good\n'),
    /m\.csv, dice of a is "good", but it must be a number, inf, or empty/,
  );
  assert.match(message('case,dice\na,1\na,2\n'), /two rows for the case "a"/);
  assert.match(message('case,dice\n'), /m\.csv has no cases/);
  assert.match(message('case,dice\na,1,2\n'), /m\.csv is not a readable CSV/);
});

test.run();
