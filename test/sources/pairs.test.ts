import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Case } from '#src/case.js';
import { OptionError } from '#src/errors.js';
import { type OptionsOf, parseOptions } from '#src/options.js';
import type { SourceItem } from '#src/sources/define.js';
import { findPairs, pairs } from '#src/sources/pairs.js';
import { temporaryFolder } from '../e2e/harness.js';

/**
 * Creates a folder with `pred` and `label`, each with files of these names. Returns the source's options for
 * it.
 */
function folders(preds: readonly string[], labels: readonly string[], others: Record<string, object> = {}) {
  const root = temporaryFolder();
  const write = (file: string, content = '') => {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), content);
  };
  for (const name of preds) write(`pred/${name}`);
  for (const name of labels) write(`label/${name}`);
  for (const [file, content] of Object.entries(others)) write(file, JSON.stringify(content));
  return { root, pred: join(root, 'pred'), label: join(root, 'label') };
}

type Where = OptionsOf<typeof pairs> & { readonly root: string };

async function open(
  { root: _, ...options }: Where,
  onWarning: (message: string) => void = () => {},
): Promise<SourceItem[]> {
  const items: SourceItem[] = [];
  parseOptions(pairs, options);
  for await (const item of pairs.configure(options).built!.open({ onWarning })) items.push(item);
  return items;
}

/** `case: prediction + reference` for each item, or why it was rejected. */
async function list(where: Where): Promise<string[]> {
  return (await open(where)).map((item) => {
    if ('refused' in item) return `${item.id}: ${item.refused.replaceAll(where.root, '')}`;
    assert.ok('files' in item);
    const [pred, label] = [item.files.pred, item.files.label].map((file) =>
      resolve(String(file)).replace(where.root, ''),
    );
    return `${item.id}: ${pred} + ${label}`;
  });
}

test('pairs pairs equal names, and names that continue with a postfix', async () => {
  const where = folders(
    ['a.nii.gz', 'ct_10_seg.nii', 'ct_1_seg.nii.gz'],
    ['ct_1.nii.gz', 'ct_10.nii.gz', 'a.nii'],
  );
  assert.equal(await list(where), [
    'a: /pred/a.nii.gz + /label/a.nii',
    'ct_1: /pred/ct_1_seg.nii.gz + /label/ct_1.nii.gz',
    'ct_10: /pred/ct_10_seg.nii + /label/ct_10.nii.gz',
  ]);
});

test('pairs finds predictions in a folder per case, and ignores files that are not images', async () => {
  const where = folders(
    ['b/b_trans.nii.gz', 'a/a_trans.nii.gz', '._a.nii.gz', 'plans.json'],
    ['a.nii.gz', 'b.nii.gz'],
  );
  assert.equal(await list(where), [
    'a: /pred/a/a_trans.nii.gz + /label/a.nii.gz',
    'b: /pred/b/b_trans.nii.gz + /label/b.nii.gz',
  ]);
});

test('pairs takes two files as a pair, whatever their names are', async () => {
  const { root, pred, label } = folders(['mine.nii.gz', 'x.nii'], ['truth.nii.gz', 'x.nii']);
  const files = { root, pred: join(pred, 'mine.nii.gz'), label: join(label, 'truth.nii.gz') };
  assert.equal(await list(files), ['truth: /pred/mine.nii.gz + /label/truth.nii.gz']);
  assert.equal(await list({ ...files, pred: join(pred, 'x.nii'), label }), [
    'truth: There is no prediction for case truth: no file in /pred/x.nii has a name that fits /label/truth.nii.gz. If ' +
      'names end differently, set predPostfix and labelPostfix to their endings.',
    'x: /pred/x.nii + /label/x.nii',
  ]);
});

test('pairs leaves out the masks in the report of a run', async () => {
  const files = ['a_seg.nii.gz', 'report/cases/a/prediction.nii.gz'];
  const where = folders(files, ['a.nii.gz']);
  assert.match(
    (await list(folders(['report/a.nii.gz'], ['a.nii.gz'])))[0],
    /^a: \/pred\/report\/a/,
    'not a run',
  );
  writeFileSync(join(where.pred, 'run.json'), '{}');
  const warnings: string[] = [];
  assert.equal((await open(where, (message) => warnings.push(message))).length, 1);
  assert.equal(warnings, []);
});

test('pairs assigns a prediction to the reference that fits best, and names the case by the shorter name', async () => {
  const where = folders(['p_seg.nii', 'p_1_seg.nii', 'q.nii'], ['p.nii', 'p_1.nii', 'q_gt.nii']);
  assert.equal(await list(where), [
    'p: /pred/p_seg.nii + /label/p.nii',
    'p_1: /pred/p_1_seg.nii + /label/p_1.nii',
    'q: /pred/q.nii + /label/q_gt.nii',
  ]);
});

test('pairs rejects a case without a prediction or with several, and reports predictions that are left out', async () => {
  const where = folders(['a_seg.nii', 'a_prob.nii', 'c.nii'], ['a.nii', 'b.nii']);
  assert.equal(await list(where), [
    'a: 2 predictions in /pred fit case a: a_prob.nii and a_seg.nii. Set predPostfix to the ending of their names.',
    'b: There is no prediction for case b: no file in /pred has a name that fits /label/b.nii. If names end ' +
      'differently, set predPostfix and labelPostfix to their endings.',
  ]);
  assert.equal((await findPairs(where)).unpaired, [join(where.pred, 'c.nii')]);
  assert.is((await list({ ...where, predPostfix: '_seg' }))[0], 'a: /pred/a_seg.nii + /label/a.nii');
});

test('pairs refuses a prediction that fits several references, and does not compare it with one of them', async () => {
  const modalities = folders(['c1.nii'], ['c1_flair.nii', 'c1_t1.nii']);
  const refused = (id: string, other: string) =>
    `${id}: The prediction /pred/c1.nii fits 2 references equally well: ${id}.nii and ${other}.nii. ` +
    'Set labelPostfix to what the names of references end in.';
  assert.equal(await list(modalities), [refused('c1_flair', 'c1_t1'), refused('c1_t1', 'c1_flair')]);
  assert.equal(await list({ ...modalities, labelPostfix: '_t1' }), ['c1: /pred/c1.nii + /label/c1_t1.nii']);
});

test('pairs warns of pairs whose names differ unlike those of the others, and takes patterns at their word', async () => {
  const where = folders(['pat1_followup.nii', 'pat2.nii'], ['pat1.nii', 'pat2.nii']);
  const warnings: string[] = [];
  await open(where, (message) => warnings.push(message));
  assert.is(warnings.length, 1);
  assert.match(
    warnings[0],
    /references with another name: pat1_followup\.nii with pat1\.nii\. .* give patterns/,
  );
  const [pred, label] = [where.pred, where.label].map((folder) => join(folder, '{case}.nii'));
  const [first] = await list({ ...where, pred, label });
  assert.match(first, /^pat1: There is no prediction for case pat1/);
  const uniform = folders(['a_seg.nii', 'b_seg.nii'], ['a.nii', 'b.nii']);
  await open(uniform, (message) => warnings.push(message));
  assert.is(warnings.length, 1);
});

test('pairs warns of a single pair with unusual names, and of files that are compared with themselves', async () => {
  const warningsOf = async (where: Where) => {
    const warnings: string[] = [];
    await open(where, (message) => warnings.push(message));
    return warnings.join();
  };
  assert.match(
    await warningsOf(folders(['pat1_followup.nii'], ['pat1.nii'])),
    /pat1_followup\.nii with pat1\.nii/,
  );
  assert.match(
    await warningsOf(folders(['1.2.3.4.nii'], ['1.2.3.nii'])),
    /1\.2\.3\.4\.nii with 1\.2\.3\.nii/,
  );
  assert.is(await warningsOf(folders(['pat1_seg.nii'], ['pat1.nii'])), '');
  assert.is(await warningsOf(folders(['pat1.nii'], ['pat1_0000.nii'])), '');
  const same = folders(['a.nii'], []);
  assert.match(await warningsOf({ ...same, label: same.pred }), /each file is compared with itself/);
});

test('pairs skips hidden folders, and compares names whatever form their accents have', async () => {
  const [composed, decomposed] = ['M\u00fcller.nii', 'Mu\u0308ller.nii'];
  const where = folders(
    [decomposed, '.ipynb_checkpoints/Mx-checkpoint.nii'],
    [composed, '.ipynb_checkpoints/Mx-checkpoint.nii'],
  );
  assert.equal(await list(where), [`M\u00fcller: /pred/${decomposed} + /label/${composed}`]);
});

test('pairs removes the given postfixes', async () => {
  const where = folders(['a_seg.nii', 'a_unc.nii'], ['a_gt.nii', 'a_gt2.nii']);
  assert.equal(await list({ ...where, predPostfix: '_seg', labelPostfix: '_gt' }), [
    'a: /pred/a_seg.nii + /label/a_gt.nii',
  ]);
});

test('pairs accepts patterns if folders name the cases', async () => {
  const where = folders(['s1/spleen.nii', 's1/liver.nii', 's2/spleen.nii'], ['s1.nii', 's2.nii']);
  const options = { ...where, pred: join(where.pred, '{case}/spleen.nii') };
  assert.equal(await list(options), [
    's1: /pred/s1/spleen.nii + /label/s1.nii',
    's2: /pred/s2/spleen.nii + /label/s2.nii',
  ]);
  const error = await open(where).catch((reason: Error) => reason);
  assert.instance(error, OptionError);
  assert.match((error as Error).message, /has two files with the name spleen: .* give a pattern: .*{case}/);
});

test('pairs finds the image of a case by its name, if there is one', async () => {
  const where = folders(['a.nii', 'b_seg.nii', 'c.nii'], ['a.nii', 'b.nii', 'c.nii'], {
    'img/a_0001.nii': {},
    'img/a_0000.nii': {},
    'img/b.nii': {},
  });
  const items = (await open({ ...where, image: join(where.root, 'img') })) as Case[];
  assert.equal(
    items.map(({ files }) => String(files.image).replace(where.root, '')),
    ['/img/a_0000.nii', '/img/b.nii', 'undefined'],
  );
});

test('pairs reads label names from a dataset.json next to the references, or from the given file', async () => {
  const namesOf = async (options: Where) => ((await open(options))[0] as Case).labelNames;
  const plain = folders(['a.nii'], ['a.nii'], { 'names.json': { labels: { liver: 1 } } });
  assert.is(await namesOf(plain), undefined);
  assert.equal(await namesOf({ ...plain, names: join(plain.root, 'names.json') }), { 1: 'liver' });
  const dataset = { labels: { 0: 'background', 1: 'spleen' } };
  const decathlon = folders(['a.nii'], ['a.nii'], { 'dataset.json': dataset });
  assert.equal(await namesOf(decathlon), { 0: 'background', 1: 'spleen' });
  const nnunet = folders(['a.nii'], ['a.nii'], {
    'pred/dataset.json': { labels: { background: 0, spleen: 1 } },
  });
  assert.equal(await namesOf(nnunet), { 0: 'background', 1: 'spleen' });
  const without = { ...plain, names: join(plain.root, 'label/a.nii') };
  const error = await open(without).catch((reason: Error) => reason);
  assert.match((error as Error).message, /a\.nii is not readable JSON/);
});

test('pairs rejects folders that do not exist or contain no images', async () => {
  const where = folders(['a.nii'], ['a.nii']);
  const message = (options: Where) =>
    open(options).then(
      () => '',
      (error: Error) => error.message,
    );
  assert.match(
    await message({ ...where, pred: '/nowhere' }),
    /^\/nowhere \(source\.pred\) does not exist\. Give a folder/,
  );
  assert.match(
    await message({ ...where, predPostfix: '_seg' }),
    /none of its 1 images has a name that ends in "_seg"/,
  );
});

test.run();
