import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runsModel } from '#src/cli/runsModel.js';

test('session threads start early for commands that run a model', () => {
  const lines: Record<string, boolean> = {
    'run pipeline.yaml --device cpu': true,
    'segment ct.nii.gz -o out': true,
    run: false,
    '': false,
    'run --help': false,
    'run pipeline.yaml --dry-run': false,
    'validate pipeline.yaml': false,
    'help run': false,
  };
  for (const [line, expected] of Object.entries(lines)) {
    assert.is(runsModel(line.split(' ').filter(Boolean)), expected, line);
  }
});

test.run();
