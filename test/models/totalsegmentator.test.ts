import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeZip } from '#src/formats/writeZip.js';
import { readFacts } from '#src/models/totalsegmentator/facts.js';
import { planTotalseg, type TotalsegRequest } from '#src/models/totalsegmentator/plan.js';
import { archivesOf, planOfName, pullNames, pullWeights } from '#src/models/totalsegmentator/pullWeights.js';
import { importPlan, modelsOf } from '#src/models/totalsegmentator/weights.js';
import { fixtures, temporaryFolder } from '../e2e/harness.js';

process.env['VOXSTREAM_CACHE'] = temporaryFolder();

const facts = await readFacts();
const plan = (request: Partial<TotalsegRequest>) =>
  planTotalseg(
    { task: 'total', mode: 'default', robustCrop: false, forceSplit: false, bodySeg: false, ...request },
    facts,
  );
const datasets = (request: Partial<TotalsegRequest>) => modelsOf(plan(request)).map(({ dataset }) => dataset);

test('total has five parts at 1.5 mm, whose labels become those of the whole', () => {
  const { models, spacing, stepSize, split, crop } = plan({});
  assert.equal(
    models.map(({ dataset }) => dataset),
    [291, 292, 293, 294, 295],
  );
  assert.equal([spacing, stepSize, split, crop], [[1.5, 1.5, 1.5], 0.8, 'large', undefined]);
  const whole = models.flatMap(({ part }) => Object.values(part ?? {}));
  assert.equal(
    whole.sort((a, b) => a - b),
    Array.from({ length: 117 }, (_, i) => i + 1),
  );
  assert.is(models[2].part?.[1], 51, 'heart');
});

test('modes choose models, and crops choose rough models, as in TotalSegmentator', () => {
  for (const [request, expected] of [
    [{ mode: 'fast' }, [297]],
    [{ mode: 'fastest' }, [298]],
    [{ roiSubset: ['liver', 'heart'] }, [298, 291, 293]],
    [{ roiSubset: ['liver'], robustCrop: true }, [297, 291]],
    [{ roiSubset: ['liver'], mode: 'fast' }, [298, 297]],
    [{ bodySeg: true, mode: 'fast' }, [300, 297]],
    [{ task: 'total_mr' }, [850, 851]],
    [{ task: 'total_mr', roiSubset: ['liver'] }, [852, 850]],
    [{ task: 'total_mr', bodySeg: true, mode: 'fast' }, [852]],
    [{ task: 'liver_vessels' }, [298, 8]],
    [{ task: 'liver_lesions' }, [297, 591]],
    [{ task: 'abdominal_muscles' }, [300, 952]],
    [{ task: 'teeth' }, [298, 115, 113]],
  ] as const) {
    assert.equal(datasets(request), [...expected], JSON.stringify(request));
  }
});

test('margins are 20 mm, but those of the task where another task makes the rough segmentation', () => {
  assert.equal(plan({ task: 'pleural_pericard_effusion' }).crop?.margin, [20, 20, 20]);
  assert.equal(plan({ task: 'teeth' }).crop?.margin, [10, 10, 10]);
  assert.equal(plan({ bodySeg: true }).crop?.margin, [3, 3, 3]);
  const { crop, auxiliary, licensed } = plan({ task: 'heartchambers_highres' });
  assert.equal(crop?.keepNear, { labels: [51, 52, 63], dilation: 10 });
  assert.equal([auxiliary, licensed], [[], true]);
  assert.ok(plan({ task: 'kidney_cysts' }).auxiliary.length > 0);
});

test('what cannot be done is refused by a sentence', () => {
  for (const [request, message] of [
    [{ task: 'totl' }, /there is no task "totl"; did you mean "total"\?/],
    [{ roiSubset: ['livr', 'xx'] }, /The task total: there is no structure "livr"; did you mean "liver"\?\n/],
    [{ task: 'liver_vessels', mode: 'fast' }, /The task liver_vessels has no model for --fast\. Leave/],
    [{ task: 'body', mode: 'fastest' }, /The task body has no model for --fastest, but one for --fast/],
    [{ task: 'vertebrae_pp' }, /vertebrae_pp is not supported: TotalSegmentator numbers its vertebrae again/],
  ] as const) {
    assert.throws(() => plan(request), message);
  }
});

test('missing weights: which, where they were looked for, and how to get them', async () => {
  const fault = (request: Partial<TotalsegRequest>, folders: string[]) =>
    importPlan(plan(request), facts, folders).then(
      () => 'it did not fail',
      ({ message }: Error) => message,
    );
  const empty = temporaryFolder();
  assert.match(
    await fault({ roiSubset: ['liver'] }, [empty]),
    /^The task total needs the weights Dataset298_TotalSegmentator_total_6mm_1559subj and Dataset291_.*, but they are not in .*"voxstream models pull totalsegmentator_total_fastest" and "voxstream models pull totalsegmentator_total" download them/,
  );
  assert.match(await fault({ mode: 'fast' }, ['/no/folder']), /, but \/no\/folder does not exist\. /);
  assert.match(
    await fault({ task: 'face' }, [empty]),
    /They need a license \(https:.*totalseg_download_weights/,
  );
  mkdirSync(join(empty, 'Dataset297_other/a__b__c'), { recursive: true });
  assert.match(
    await fault({ mode: 'fast' }, [empty]),
    /Dataset297_other has no nnUNetTrainer_4000epochs_NoMirroring__nnUNetPlans__3d_fullres, which .*It has a__b__c/,
  );
});

test('a file of tasks goes over those of the package, and its faults are named', async () => {
  const file = join(temporaryFolder(), 'tasks.json');
  writeFileSync(
    file,
    JSON.stringify({
      classes: { mine: { 1: 'rock' } },
      tasks: { mine: { task_id: 999, resample: 2, trainer: 'T', crop: ['liver'] } },
    }),
  );
  const mine = planTotalseg(
    { task: 'mine', mode: 'default', robustCrop: false, forceSplit: false, bodySeg: false },
    await readFacts(file),
  );
  assert.equal(
    modelsOf(mine).map(({ dataset }) => dataset),
    [298, 999],
  );
  assert.equal([mine.spacing, mine.stepSize], [[2, 2, 2], 0.5]);
  writeFileSync(file, JSON.stringify({ tasks: { mine: { task_id: 'x', trainer: 'T' } }, clases: {} }));
  await readFacts(file).then(
    () => assert.unreachable('it must fail'),
    ({ message }: Error) => assert.match(message, /tasks\.json: tasks\.mine is .*\n.*clases/s),
  );
});

test('weights of free tasks have addresses, and those of others ask for a license', () => {
  const names = pullNames(facts);
  assert.ok(names.includes('totalsegmentator_total_mr_fastest') && names.length > 35);
  assert.not(names.some((name) => /heartchambers|tissue|_pp/.test(name)));
  assert.equal(archivesOf(planOfName('totalsegmentator_total_fast', facts), facts), [
    {
      dataset: 297,
      folder: 'Dataset297_TotalSegmentator_total_3mm_1559subj',
      url: 'https://github.com/wasserth/TotalSegmentator/releases/download/v2.0.0-weights/Dataset297_TotalSegmentator_total_3mm_1559subj.zip',
    },
  ]);
  assert.is(archivesOf(planOfName('totalsegmentator_liver_vessels', facts), facts).length, 2);
  assert.throws(
    () => archivesOf(planOfName('totalsegmentator_brain_structures', facts), facts),
    /Dataset409_neuro_550subj of the task brain_structures are not public: they need a license/,
  );
});

test('weights are downloaded and unpacked once; what is no archive of theirs is removed', async () => {
  const folder = temporaryFolder();
  const trainer = 'nnUNetTrainer_4000epochs_NoMirroring__nnUNetPlans__3d_fullres';
  const name = 'Dataset297_TotalSegmentator_total_3mm_1559subj';
  const zip = join(folder, `${name}.zip`);
  const files = ['plans.json', 'dataset.json', 'fold_0/checkpoint_final.pth'];
  const trained = join(fixtures, 'totalseg/trained');
  await writeZip(
    zip,
    files.map((file) => ({ name: `${name}/${trainer}/${file}`, bytes: readFileSync(join(trained, file)) })),
  );
  let content: Uint8Array = Buffer.from('<html>not found</html>');
  let requests = 0;
  const server = createServer((_, response) => {
    requests++;
    response.end(content);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}.zip`;
    const place = join(folder, 'weights');
    const archives = [{ dataset: 297, folder: name, url }];
    await pullWeights(archives, { place }).then(
      () => assert.unreachable('it must fail'),
      ({ message }: Error) => assert.match(message, /cannot be read: .* zip archive/),
    );
    assert.equal(readdirSync(place), []);
    content = readFileSync(zip);
    assert.is((await pullWeights(archives, { place })).length, 1);
    assert.equal(readdirSync(place), [name]);
    assert.equal(readdirSync(join(place, name, trainer)).sort(), ['dataset.json', 'fold_0', 'plans.json']);
    assert.is((await pullWeights(archives, { place })).length, 0);
    assert.is(requests, 2);
    const imported = await importPlan(plan({ mode: 'fast' }), facts, [place]);
    assert.equal([...imported.keys()], [297]);
  } finally {
    server.close();
  }
});

test.run();
