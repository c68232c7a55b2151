import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { longOptions } from '#src/cli/longOptions.js';

test('long options of nnU-Net and TotalSegmentator may have one dash', () => {
  const words = [
    'node',
    'cli',
    'nnunet',
    'predict',
    '-i',
    'in',
    '-step_size',
    '0.5',
    '--disable_tta',
    '-chk',
    'a-b',
    '-1',
  ];
  assert.equal(longOptions(words).slice(4), [
    '-i',
    'in',
    '--step_size',
    '0.5',
    '--disable_tta',
    '--chk',
    'a-b',
    '-1',
  ]);
  const other = ['node', 'cli', 'run', '-abc'];
  assert.equal(longOptions(other), other);
});

test.run();
