import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionError } from '#src/errors.js';
import { sayFault } from '#src/options.js';
import { datalist } from '#src/sources/datalist.js';
import { decathlon } from '#src/sources/decathlon.js';
import type { AnySource, SourceItem } from '#src/sources/define.js';
import { glob } from '#src/sources/glob.js';
import { temporaryFolder } from '../e2e/harness.js';

/** Creates a folder with empty files of these names, or with the given contents. */
function folderWith(files: readonly string[], contents: Record<string, unknown> = {}): string {
  const folder = temporaryFolder();
  const write = (file: string, content: string) => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), content);
  };
  for (const file of files) write(file, '');
  for (const [file, content] of Object.entries(contents)) {
    write(file, typeof content === 'string' ? content : JSON.stringify(content));
  }
  return folder;
}

async function open(source: AnySource, options: object): Promise<SourceItem[]> {
  const items: SourceItem[] = [];
  const { built, faults } = source.configure(options);
  if (!built) throw new OptionError(faults.map((fault) => sayFault(source.name, fault)).join('\n'));
  for await (const item of built.open()) items.push(item);
  return items;
}

const idsOf = (items: readonly SourceItem[]) => items.map(({ id }) => id);
const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => 'nothing was refused',
    (error: Error) => error.message,
  );

const training = Array.from({ length: 12 }, (_, i) => ({
  image: `./imagesTr/s_${i}.nii.gz`,
  label: `./labelsTr/s_${i}.nii.gz`,
}));
const spleen = () =>
  folderWith([], {
    'dataset.json': {
      labels: { 0: 'background', 1: 'spleen' },
      training,
      test: ['./imagesTs/t_1.nii.gz', './imagesTs/._t_1.nii.gz'],
    },
  });

test('decathlon holds out the last cases, sorted by name as in Python', async () => {
  const root = spleen();
  const sorted = training.map(({ image }) => image.slice(11, -7)).sort();
  assert.equal(idsOf(await open(decathlon, { root, split: 'validation', validation: 3 })), sorted.slice(-3));
  assert.equal(idsOf(await open(decathlon, { root, split: 'train', validation: 3 })), sorted.slice(0, -3));
  assert.equal(idsOf(await open(decathlon, { root, split: 'test' })), ['t_1']);
  assert.is((await open(decathlon, { root, split: 'all' })).length, 13);
});

test('decathlon holds out at most half of the training cases', async () => {
  const root = folderWith([], { 'dataset.json': { training: training.slice(0, 1), test: [] } });
  assert.equal(idsOf(await open(decathlon, { root, split: 'train' })), ['s_0']);
  assert.match(
    await refusal(open(decathlon, { root, split: 'validation' })),
    /The split "validation" of .* has no cases: the dataset has 1 for training \(0 of them held out/,
  );
});

test('decathlon returns files inside the root and the label names', async () => {
  const root = spleen();
  const [first] = await open(decathlon, { root, split: 'train', validation: 0 });
  assert.ok('files' in first);
  assert.equal(first.files, {
    image: join(root, 'imagesTr/s_0.nii.gz'),
    label: join(root, 'labelsTr/s_0.nii.gz'),
  });
  assert.equal(first.labelNames, { 0: 'background', 1: 'spleen' });
});

test("decathlon reads labels in nnU-Net's form, and a dataset without dataset.json", async () => {
  const root = folderWith([], {
    'dataset.json': { labels: { background: 0, spleen: 1 }, training: training.slice(0, 1) },
  });
  const [first] = await open(decathlon, { root, split: 'train' });
  assert.equal('labelNames' in first && first.labelNames, { 0: 'background', 1: 'spleen' });
  const bare = folderWith([
    'imagesTr/a.nii.gz',
    'imagesTr/._a.nii.gz',
    'imagesTr/.DS_Store',
    'labelsTr/a.nii',
    'imagesTs/b.nii',
  ]);
  const items = await open(decathlon, { root: bare, split: 'all' });
  assert.equal(idsOf(items), ['a', 'b']);
  assert.ok('files' in items[0]);
  assert.is(items[0].files.label, join(bare, 'labelsTr/a.nii'));
});

test('decathlon rejects a path outside the root, and only that case', async () => {
  const root = folderWith([], {
    'dataset.json': {
      training: [
        { image: '../../etc/x.nii.gz', label: 'l.nii.gz' },
        { image: '/etc/y.nii.gz' },
        { image: 'ok.nii.gz' },
      ],
    },
  });
  const items = await open(decathlon, { root, split: 'train', validation: 0 });
  assert.equal(idsOf(items), ['ok', 'x', 'y']);
  assert.ok('refused' in items[1] && 'refused' in items[2]);
  assert.match(
    items[1].refused,
    /The image of case x is "\.\.\/\.\.\/etc\/x\.nii\.gz", which is outside the dataset's folder/,
  );
});

test('decathlon rejects a folder or a dataset.json that is not a dataset', async () => {
  assert.match(
    await refusal(open(decathlon, { root: '/nowhere', split: 'test' })),
    /\/nowhere \(source\.root\) does not exist/,
  );
  assert.match(
    await refusal(open(decathlon, { root: folderWith(['x.txt']), split: 'test' })),
    /contains neither dataset\.json nor images/,
  );
  const text = folderWith([], { 'dataset.json': '{' });
  assert.match(
    await refusal(open(decathlon, { root: text, split: 'test' })),
    /dataset\.json is not readable JSON/,
  );
  const odd = folderWith([], { 'dataset.json': { training: [3] } });
  assert.match(
    await refusal(open(decathlon, { root: odd, split: 'test' })),
    /dataset\.json: training\.0 is 3, but "training", a list/,
  );
});

test('glob takes the id from the file name, or from the position of {case}', async () => {
  const root = folderWith([
    'in/b.nii.gz',
    'in/a b.nii.gz',
    'in/._b.nii.gz',
    'in/x.txt',
    'p/P1/ct.nii',
    'p/P2/ct.nii',
    'w/pp17.nii',
    'w/pp18.nii',
    'gt/b.nii.gz',
  ]);
  const plain = await open(glob, { image: `${root}/in/*`, label: `${root}/gt/{case}.nii.gz` });
  assert.equal(idsOf(plain), ['a b', 'b']);
  assert.ok('files' in plain[1]);
  assert.is(plain[1].files.label, `${root}/gt/b.nii.gz`);
  assert.equal(idsOf(await open(glob, { image: `${root}/p/{case}/ct.nii` })), ['P1', 'P2']);
  // Wildcards beside {case} are not a part of the id.
  for (const image of ['p?{case}.nii', '[a-p]p{case}.ni?', '{pp,q}{case}.nii']) {
    assert.equal(idsOf(await open(glob, { image: `${root}/w/${image}` })), ['17', '18'], image);
  }
});

test('glob leaves out a missing volume on request', async () => {
  const root = folderWith(['in/a.nii', 'in/b.nii', 'gt/b.nii']);
  for (const label of ['gt/{case}.nii', 'gt/{case}.*']) {
    const items = await open(glob, {
      image: join(root, 'in/*'),
      label: join(root, label),
      ifMissing: 'leaveOut',
    });
    assert.equal(
      items.map((item) => ('files' in item ? Object.keys(item.files) : item)),
      [['image'], ['image', 'label']],
    );
  }
});

test('glob says which pattern finds the images of a folder', async () => {
  const message = await refusal(open(glob, { image: folderWith(['a.nii.gz']) }));
  assert.match(
    message,
    /\(source\.image\) is a folder, but a pattern was expected\. Give .*\* for the images in it/,
  );
});

test('glob requires exactly one file for a pattern with wildcards, and lists what it found', async () => {
  const root = folderWith(['in/a.nii', 'gt/a_1.nii', 'gt/a_2.nii']);
  const [item] = await open(glob, { image: `${root}/in/*.nii`, label: `${root}/gt/{case}_*.nii` });
  assert.ok('refused' in item);
  assert.match(item.refused, /The label of case a must be one file, but .* matches 2: /);
  assert.match(await refusal(open(glob, { image: `${root}/none/*` })), /No image matches .*none/);
  assert.match(
    await refusal(open(glob, { image: 'x', label: 'y' })),
    /label is "y", but must contain \{case\}/,
  );
});

test('datalist reads items, MONAI lists and CSV files', async () => {
  const root = folderWith([], {
    'list.json': { training: [{ image: 'a.nii.gz', label: 'l/a.nii.gz' }], testing: ['b.nii.gz'] },
    'list.csv': 'id,image,pred\none,a.nii.gz,p/a.nii.gz\n,b.nii.gz,\n',
    'one.json': ['c.nii'],
  });
  const path = join(root, 'list.json');
  const items = await open(datalist, { path, key: 'training' });
  assert.equal('files' in items[0] && items[0].files, {
    image: join(root, 'a.nii.gz'),
    label: join(root, 'l/a.nii.gz'),
  });
  assert.equal(idsOf(await open(datalist, { path, key: 'testing' })), ['b']);
  const csv = await open(datalist, { path: join(root, 'list.csv') });
  assert.equal('files' in csv[0] && [csv[0].id, csv[0].files.pred], ['one', join(root, 'p/a.nii.gz')]);
  assert.is('files' in csv[1] && Object.keys(csv[1].files).join(), 'image');
  assert.equal(idsOf(await open(datalist, { path: join(root, 'one.json') })), ['c']);
  assert.equal(idsOf(await open(datalist, { items: [{ id: 'x', image: '/any/where.nii' }] })), ['x']);
});

test('datalist asks for the list to use, and restricts a file to its root', async () => {
  const root = folderWith([], {
    'list.json': { training: ['../up.nii'], testing: ['b.nii'] },
    'half.json': { training: ['a.nii'], testing: [] },
    'none.json': { data: { training: ['a.nii'] } },
  });
  const path = join(root, 'list.json');
  assert.equal(idsOf(await open(datalist, { path: join(root, 'half.json') })), ['a']);
  assert.match(
    await refusal(open(datalist, { path: join(root, 'none.json') })),
    /none\.json contains no list of cases\. Expected is a list/,
  );
  assert.match(
    await refusal(open(datalist, { path })),
    /contains the lists training and testing; choose one with source\.key/,
  );
  assert.match(await refusal(open(datalist, { path, key: 'trainng' })), /did you mean "training"/);
  const [item] = await open(datalist, { path, key: 'training' });
  assert.ok('refused' in item);
  assert.match(await refusal(open(datalist, { path, items: [{ image: 'x' }] })), /either items or path/);
});

test('a list of a hundred thousand folders with the same file name is read', async () => {
  const file = join(temporaryFolder(), 'list.csv');
  const rows = Array.from({ length: 100_000 }, (_, i) => `p${i}/ct.nii`);
  writeFileSync(file, ['image', ...rows].join('\n'));
  const ids = [];
  // Work that grows with the square of the list takes hours here.
  for await (const { id } of datalist({ path: file })) ids.push(id);
  assert.equal([ids.length, ids[0], ids.at(-1)], [100_000, 'p0', 'p99999']);
});

test.run();
