import { existsSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionError } from '#src/errors.js';
import { writeNifti } from '#src/formats/writeNifti.js';
import { remakeReport } from '#src/pipeline/remakeReport.js';
import { notesJson } from '#src/report/userNotes.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { temporaryFolder } from '../e2e/harness.js';
import { block, dataset, pageDataOf } from '../report/dataset.js';

const runtime = createRuntime({ device: 'cpu', workers: 1 });
test.after(() => runtime.close());

/** Creates the report of a folder again, and returns it with its page. */
async function remake(output: string) {
  const { folder, drawn, unpictured } = await remakeReport(output, runtime);
  const html = readFileSync(join(folder, 'index.html'), 'utf8');
  return { folder, drawn, unpictured: Object.fromEntries(unpictured), html, data: pageDataOf(html) };
}

const idsOf = (data: { cases: { id: string }[] }) => data.cases.map(({ id }) => id);

test('a run without a report gets one afterwards, with the same pictures as from the sink', async () => {
  const later = await dataset(['b', 'a'], { sinks: '[metricsCsv]' });
  await later.run({ runtime });
  const { folder, drawn, unpictured, data } = await remake(later.output);
  assert.equal([drawn, unpictured, idsOf(data)], [2, {}, ['b', 'a']]);
  const sink = await dataset(['b', 'a']);
  await sink.run({ runtime });
  for (const file of ['axial.png', 'coronal-prediction.svg', 'sagittal-reference.svg', 'reference.nii.gz']) {
    const [made, expected] = [folder, join(sink.output, 'report')].map((report) =>
      readFileSync(join(report, 'cases/a', file)),
    );
    assert.ok(made.equals(expected), file);
  }
  assert.equal((await remake(later.output)).drawn, 0);
});

test("pictures of changed files are drawn again; the sink's pictures show the volumes of the run", async () => {
  const { run, output, items } = await dataset(['a', 'b'], { sinks: '[metricsCsv]' });
  await run({ runtime });
  const first = await remake(output);
  const outline = () => readFileSync(join(first.folder, 'cases/a/axial-prediction.svg'), 'utf8');
  const before = outline();
  await writeNifti(items[0].pred, block([8, 4, 2]));
  const soon = statSync(items[0].pred).mtimeMs / 1000 + 2;
  utimesSync(items[0].pred, soon, soon);
  assert.is((await remake(output)).drawn, 1);
  assert.not.equal(outline(), before);

  const sink = await dataset(['a']);
  await sink.run({ runtime });
  utimesSync(sink.items[0].pred, soon, soon);
  assert.is((await remake(sink.output)).drawn, 0);
});

test('the report of a killed run has the finished cases and says that the run did not end', async () => {
  const { run, output } = await dataset(['a', 'b'], { sinks: '[metricsCsv]' });
  await run({ runtime });
  // The state after a kill: no outcome, no timings, an incomplete line in the journal and in the failures.
  const record = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
  for (const key of ['seconds', 'lanes', 'done', 'failed', 'skipped', 'interrupted']) delete record[key];
  writeFileSync(join(output, 'run.json'), JSON.stringify(record));
  rmSync(join(output, 'timings.csv'));
  const journal = join(output, '.voxstream/journal.jsonl');
  const entries = readFileSync(journal, 'utf8').split('\n').filter(Boolean);
  // Cases that run at once end in any order.
  const [a, b] = ['a', 'b'].map((id) => entries.find((entry) => JSON.parse(entry).case === id));
  writeFileSync(journal, `${a}\n${b?.slice(0, 80)}`);
  writeFileSync(join(output, 'failures.csv'), 'case,step,message\nb,load,It is bad.\nc,lo');
  const { html, data } = await remake(output);
  assert.equal(idsOf(data), ['a']);
  assert.match(html, /unfinished \(2 cases planned\): still running, or killed/);
  assert.match(html, /<td>It is bad\.<\/td>/);
});

test('without a journal the report is made from the tables, without pictures, and says why', async () => {
  const { run, output } = await dataset(['b', 'a'], { sinks: '[metricsCsv]' });
  await run({ runtime });
  rmSync(join(output, '.voxstream'), { recursive: true });
  const { drawn, unpictured, data } = await remake(output);
  assert.equal([drawn, idsOf(data)], [0, ['b', 'a']]);
  assert.ok(data.cases[0].seconds > 0);
  assert.ok(Math.abs(data.cases[0].values[0] - 0.9) < 1e-12);
  assert.is(unpictured.a, 'The run did not record where the image is.');
  assert.is(data.cases[1].unpictured, unpictured.a);
});

test('missing files are reported, and the rest is drawn', async () => {
  const { run, output, items } = await dataset(['a', 'b', 'c'], { sinks: '[metricsCsv]' });
  await run({ runtime });
  rmSync(items[0].image);
  for (const file of Object.values(items[1]).filter((path) => path.endsWith('.gz'))) rmSync(file);
  writeFileSync(items[2].label, 'no image');
  const { folder, drawn, unpictured, data } = await remake(output);
  assert.is(drawn, 1);
  assert.is(unpictured.a, `Image is no longer at ${items[0].image}.`);
  assert.not.ok(existsSync(join(folder, 'cases/a/axial.png')));
  assert.ok(existsSync(join(folder, 'cases/a/axial-prediction.svg')));
  assert.match(unpictured.b, /^Image is no longer at .*; pred is no longer at .*; label is no longer at /);
  assert.match(unpictured.c, /2_label\.nii\.gz is not a NIfTI file/);
  assert.is(data.cases[1].pictures, null);
});

test('cases without references are described by their volumes', async () => {
  const { run, output } = await dataset(['a', 'b'], {
    steps: '[load]',
    sinks: '[metricsCsv]',
    keys: ['image', 'pred'],
  });
  await run({ runtime });
  const { html, data, unpictured } = await remake(output);
  assert.equal(unpictured, {});
  assert.equal(
    data.columns.map(({ name, title }: { name: string; title: string }) => [name, title]),
    [['volume_ml_1', 'Volume, mL']],
  );
  assert.ok(Math.abs(data.cases[0].values[0] - 0.8) < 1e-12);
  assert.match(html, /<dd>0\.800<\/dd><dt>mean Volume, mL, 1<\/dt>/);
  assert.not.match(html, /missed organs|Worst first/);
});

test('notes and subgroups are put into the page, and a damaged file of notes is reported', async () => {
  const { run, folder, output } = await dataset(['a', 'b'], { sinks: '[metricsCsv]' });
  await run({ runtime });
  const note = { flagged: true, text: 'cut off', changed: '2026-01-01T00:00:00.000Z' };
  const other = { ...note, text: 'not in this report' };
  const file = join(folder, 'saved.json');
  writeFileSync(
    file,
    notesJson(
      new Map([
        ['b', note],
        ['gone', other],
      ]),
    ),
  );
  const subgroups = [{ name: 'site', of: new Map([['a', 'North']]) }];
  const made = await remakeReport(output, runtime, () => {}, { notes: file, subgroups });
  const html = readFileSync(join(made.folder, 'index.html'), 'utf8');
  const { cases, groups, otherNotes } = pageDataOf(html);
  assert.equal([cases[0].note, cases[1].note, otherNotes], [undefined, note, [['gone', other]]]);
  assert.equal([groups, cases[0].groups, cases[1].groups], [['site'], ['North'], ['']]);
  assert.match(html, /<th scope="col">North \(1\)<\/th><th scope="col">unknown \(1\)<\/th>/);

  // The notes stay when the report is made again.
  assert.equal((await remake(output)).data.cases[1].note, note);
  writeFileSync(join(made.folder, 'notes.json'), '{');
  assert.match(
    (await remake(output)).html,
    /<li>The notes on cases are not shown\. .*notes\.json has no notes/,
  );
  const error = await remakeReport(output, runtime, () => {}, { notes: file }).catch(
    (reason: Error) => reason,
  );
  assert.match((error as Error).message, /notes\.json has no notes that can be read: it is not JSON/);
});

test('a folder that is not a run is rejected', async () => {
  const error = await remakeReport(temporaryFolder(), runtime).catch((reason: Error) => reason);
  assert.instance(error, OptionError);
  assert.match((error as Error).message, /is not the folder of a run: it has no run\.json/);
});

test.run();
