import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase, withNotes } from '#src/case.js';
import type { RunEvent } from '#src/pipeline/events.js';
import { parsePipeline } from '#src/pipeline/load.js';
import { runPipeline } from '#src/pipeline/run.js';
import type { RunOptions } from '#src/pipeline/runOptions.js';
import { buildNifti, temporaryFolder } from '../formats/buildNifti.js';

const put = temporaryFolder();

test('duplicate notes are dropped', () => {
  const subject = withNotes(withNotes(makeCase({ id: 'a' }), ['One.', 'Two.']), ['Two.', 'Three.']);
  assert.equal(subject.notes, ['One.', 'Two.', 'Three.']);
  assert.is(withNotes(makeCase({ id: 'a' }), []).notes, undefined);
});

test('assumptions of a reader become warnings of the run and entries of the summary, also after a resume', async () => {
  const micrometres = put('a.nii', buildNifti({ units: 3, pixdim: [1, 800, 900, 2500] }));
  const plain = put('b.nii', buildNifti({ units: 2 }));
  const output = put('out');
  const items = [micrometres, plain].map((image) => ({ image }));
  const text = JSON.stringify({
    source: { datalist: { items } },
    steps: ['load', { orient: { axcodes: 'LPS' } }],
    sinks: ['summary'],
    output,
  });
  const run = async (options: RunOptions = {}) => {
    const events: RunEvent[] = [];
    await runPipeline(parsePipeline(text, 'p.yaml'), {
      ...options,
      onEvent: (event) => void events.push(event),
    });
    const { notes } = JSON.parse(readFileSync(join(output, 'summary.json'), 'utf8'));
    return { warnings: events.filter(({ event }) => event === 'warning'), notes };
  };
  const message = `${micrometres} is in micrometres (xyzt_units 3); its voxel size and position were converted to mm.`;
  const first = await run();
  assert.equal(first.warnings, [{ event: 'warning', case: 'a', message }]);
  assert.equal(first.notes, { a: [message] });
  const again = await run({ resume: true });
  assert.equal(again.warnings, []);
  assert.equal(again.notes, { a: [message] });
});

test.run();
