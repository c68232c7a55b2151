import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Case } from '#src/case.js';
import { datalist } from '#src/sources/datalist.js';
import { readLabels } from '#src/sources/datasetLabels.js';
import { decathlon } from '#src/sources/decathlon.js';
import type { AnySource, SourceItem } from '#src/sources/define.js';
import { glob } from '#src/sources/glob.js';
import { nnunet } from '#src/sources/nnunet.js';
import { nnunetFolds } from '#src/sources/nnunetFolds.js';
import { root, temporaryFolder } from '../e2e/harness.js';

function folderWith(contents: Readonly<Record<string, string | Uint8Array | object>>): string {
  const folder = temporaryFolder();
  for (const [name, content] of Object.entries(contents)) {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    const raw = typeof content === 'string' || content instanceof Uint8Array;
    writeFileSync(file, raw ? content : JSON.stringify(content));
  }
  return folder;
}

async function open(
  source: AnySource,
  options: object,
): Promise<{ items: SourceItem[]; warnings: string[] }> {
  const warnings: string[] = [];
  const items: SourceItem[] = [];
  const { built, faults } = source.configure(options);
  if (!built) throw new Error(faults.map(({ message }) => message).join('; '));
  for await (const item of built.open({ onWarning: (message) => warnings.push(message) })) items.push(item);
  return { items, warnings };
}

/** The files of each case, relative to the root. */
const filesOf = (items: readonly SourceItem[], root: string) =>
  items.map((item) => JSON.parse(JSON.stringify((item as Case).files).replaceAll(`${root}/`, '')));
const idsOf = ({ items }: { items: readonly SourceItem[] }) => items.map(({ id }) => id);
const messageOf = (work: Promise<unknown>) =>
  work.then(
    () => 'nothing was refused',
    (error: Error) => error.message,
  );

const list = [{ image: 'im/c1.nii.gz', label: 'lb/c1.nii.gz' }];

test('lists and dataset.json are read in UTF-8 and UTF-16, with and without a byte order mark', async () => {
  const text = JSON.stringify({ training: list });
  const bigEndian = Buffer.from(`\ufeff${text}`, 'utf16le').swap16();
  const root = folderWith({
    'bom/dataset.json': `\ufeff${text}`,
    'le/dataset.json': Buffer.from(`\ufeff${text}`, 'utf16le'),
    'bare/dataset.json': Buffer.from(text, 'utf16le'),
    'be/dataset.json': bigEndian,
    'ansi/dataset.json': Buffer.from('{"training":["M\u00fcller.nii"]}', 'latin1'),
  });
  for (const name of ['bom', 'le', 'bare', 'be']) {
    const folder = join(root, name);
    const expected = [{ image: 'im/c1.nii.gz', label: 'lb/c1.nii.gz' }];
    const asList = await open(datalist, { path: join(folder, 'dataset.json') });
    assert.equal(filesOf(asList.items, folder), expected, name);
    assert.equal(filesOf((await open(decathlon, { root: folder })).items, folder), expected, name);
  }
  assert.match(
    await messageOf(open(decathlon, { root: join(root, 'ansi') })),
    /dataset\.json is not text in UTF-8 or UTF-16/,
  );
});

test('datalist finds the separator of a CSV file, and leaves out columns without files with a warning', async () => {
  const rows = (separator: string) =>
    ['id,image,label,age,sex', '7,im/a.nii,lb/a.nii,41,F', '8,im/b.nii,,42,M']
      .join('\r\n')
      .replaceAll(',', separator);
  const root = folderWith({
    'comma.csv': rows(','),
    'semicolon.csv': rows(';'),
    'tab.tsv': rows('\t'),
    'excel.csv': `sep=;\r\n${rows(';')}`,
    'headless.csv': 'im/a.nii,lb/a.nii\n',
    'twice.csv': 'image,image\na.nii,b.nii\n',
  });
  for (const name of ['comma.csv', 'semicolon.csv', 'tab.tsv', 'excel.csv']) {
    const found = await open(datalist, { path: join(root, name) });
    assert.equal(idsOf(found), ['7', '8'], name);
    assert.equal(
      filesOf(found.items, root),
      [{ image: 'im/a.nii', label: 'lb/a.nii' }, { image: 'im/b.nii' }],
      name,
    );
    assert.equal(found.warnings, [
      `${join(root, name)}: "age" and "sex" contain no image files and are not read.`,
    ]);
  }
  assert.match(
    await messageOf(open(datalist, { path: join(root, 'headless.csv') })),
    /must name the columns/,
  );
  assert.match(
    await messageOf(open(datalist, { path: join(root, 'twice.csv') })),
    /two columns with the name "image"/,
  );
});

test('datalist reads tables that people write by hand, and says in which line one is wrong', async () => {
  const expected = [{ image: 'a.nii', label: 'b.nii' }];
  const tables = {
    'case.csv': 'ID,Image,LABEL\n7,a.nii,b.nii\n',
    'bar.csv': 'id|image|label\n7|a.nii|b.nii\n',
    'list.txt': 'id\timage\tlabel\n7\ta.nii\tb.nii\n',
    'empty.csv': 'id,image,label\n\n,,,\n7,a.nii,b.nii,,\n,,\n',
    'json.csv': '[{ "id": 7, "image": "a.nii", "label": "b.nii" }]',
    'quoted.csv': '"id";"image";"label"\r\n"7";"a.nii";"b.nii"\r\n',
    'cr.csv': 'id,image,label\r7,a.nii,b.nii\r',
  };
  const root = folderWith({
    ...tables,
    'short.csv': 'image,label\na.nii,b.nii\n\nc.nii\n',
    'long.csv': 'image\na.nii,with comma\n',
  });
  for (const name of Object.keys(tables)) {
    const found = await open(datalist, { path: join(root, name) });
    assert.equal([idsOf(found), filesOf(found.items, root), found.warnings], [['7'], expected, []], name);
  }
  const refusal = (name: string) => messageOf(open(datalist, { path: join(root, name) }));
  assert.match(await refusal('short.csv'), /line 4 has 1 column\(s\), but the first line names 2\./);
  assert.match(await refusal('long.csv'), /line 2 has 2 column\(s\), but the first line names 1\./);
});

test('datalist uses label names of its file', async () => {
  const root = folderWith({ 'dataset.json': { labels: { 1: 'spleen' }, training: ['a.nii'], test: [] } });
  const { items } = await open(datalist, { path: join(root, 'dataset.json') });
  assert.equal((items[0] as Case).labelNames, { 1: 'spleen' });
});

test('a key that occurs twice in a map is refused, because JSON readers keep only one of its values', async () => {
  const twice = '{ "training": ["a.nii"], "labels": { "background": 0, "x": 1, "\\u0078": 2 } }';
  // The same key in different maps, and as a value.
  const once = '{ "training": [{ "image": "x", "x": "image" }, { "image": "y:{" }], "labels": { "x": 1 } }';
  const root = folderWith({ 'twice/dataset.json': twice, 'once/dataset.json': once });
  for (const [source, options] of [
    [decathlon, { root: join(root, 'twice') }],
    [datalist, { path: join(root, 'twice/dataset.json') }],
  ] as const) {
    assert.match(
      await messageOf(open(source, options)),
      /twice\/dataset\.json has the key "x" twice in one map/,
    );
  }
  assert.equal(idsOf(await open(decathlon, { root: join(root, 'once') })), ['x', 'y:{']);
});

test('datalist reads numbers and other metadata of JSON lists, and stacks several files of one key', async () => {
  const entry = { image: ['c1_t1.nii', 'c1_t2.nii'], label: 'c1.nii', fold: 0, meta: { age: 3 }, id: 5 };
  const root = folderWith({ 'list.json': { training: [entry] }, 'odd.json': [{ image: 3 }] });
  const found = await open(datalist, { path: join(root, 'list.json') });
  assert.equal(idsOf(found), ['5']);
  assert.equal(filesOf(found.items, root), [
    { image: { channels: ['c1_t1.nii', 'c1_t2.nii'] }, label: 'c1.nii' },
  ]);
  assert.match(found.warnings[0], /"fold" and "meta" contain no image files/);
  assert.match(
    await messageOf(open(datalist, { path: join(root, 'odd.json') })),
    /entry 0: image is 3, but the path/,
  );
});

test('datalist says how to allow files elsewhere, and reads them with root', async () => {
  const root = folderWith({ 'data/c1.nii': '', 'lists/list.json': [] });
  const path = join(root, 'lists/list.json');
  writeFileSync(path, JSON.stringify([join(root, 'data/c1.nii')]));
  const [item] = (await open(datalist, { path })).items;
  assert.match(
    'refused' in item ? item.refused : '',
    /is outside the dataset's folder .* Set source\.root to a folder/,
  );
  assert.equal(filesOf((await open(datalist, { path, root })).items, root), [{ image: 'data/c1.nii' }]);
});

test('paths with backslashes are read, and paths of a Windows drive are refused', async () => {
  const training = [{ image: '.\\imagesTr\\a.nii', label: '.\\labelsTr\\a.nii' }, { image: 'C:\\d\\b.nii' }];
  const root = folderWith({ 'dataset.json': { training } });
  const { items } = await open(decathlon, { root });
  assert.equal(idsOf({ items }), ['a', 'b']);
  assert.equal(filesOf(items.slice(0, 1), root), [{ image: 'imagesTr/a.nii', label: 'labelsTr/a.nii' }]);
  assert.match('refused' in items[1] ? items[1].refused : '', /is outside the dataset's folder/);
});

test('files of one name in folders of patients get the ids of the folders', async () => {
  const images = ['p1/v1/ct.nii', 'p1/v2/ct.nii', 'p2/v1/ct.nii', 'other/v1/mr.nii'];
  const root = folderWith({
    ...Object.fromEntries(images.map((name) => [name, ''])),
    '.hidden/v1/ct.nii': '',
    'list.json': images.map((image) => ({ image })),
  });
  const expected = ['p1_v1', 'p1_v2', 'p2_v1', 'mr'];
  assert.equal(idsOf(await open(datalist, { path: join(root, 'list.json') })), expected);
  assert.equal(idsOf(await open(glob, { image: `${root}/*/*/*.nii` })), ['mr', 'p1_v1', 'p1_v2', 'p2_v1']);
});

test('names of files may be stored decomposed, as on macOS', async () => {
  const root = folderWith({ 'Mu\u0308ller.nii': '', 'list.json': ['M\u00fcller.nii'] });
  const found = await open(datalist, { path: join(root, 'list.json') });
  assert.equal(idsOf(found), ['M\u00fcller']);
  assert.equal(filesOf(found.items, root), [{ image: 'Mu\u0308ller.nii' }]);
});

test('readLabels reads numbers as text, regions and the ignore label of nnU-Net', () => {
  assert.equal(readLabels({ background: '0', liver: '1', tumor: '2' }, 'f'), {
    labelNames: { 0: 'background', 1: 'liver', 2: 'tumor' },
  });
  assert.equal(
    readLabels({ background: 0, 'whole tumor': [1, 2, 3], core: [2, 3], enhancing: 3, ignore: 4 }, 'f'),
    {
      labelNames: { 0: 'background', 3: 'enhancing' },
      regions: [
        { name: 'whole tumor', labels: [1, 2, 3] },
        { name: 'core', labels: [2, 3] },
        { name: 'enhancing', labels: [3] },
      ],
      ignoreLabel: 4,
    },
  );
});

test('readLabels keeps labels of one name apart, and refuses what is not a label', () => {
  const warnings: string[] = [];
  const { labelNames } = readLabels({ 0: 'background', 1: 'lesion', 2: 'lesion' }, 'f', (text) =>
    warnings.push(text),
  );
  assert.equal(labelNames, { 0: 'background', 1: 'lesion_1', 2: 'lesion_2' });
  assert.match(warnings.join(), /f gives the labels 1 and 2 one name, "lesion"/);
  assert.throws(() => readLabels({ liver: 1, tumor: 1 }, 'f'), /label 1 has two names, "liver" and "tumor"/);
  assert.throws(() => readLabels({ liver: 1.5 }, 'f'), /labels\.liver is 1\.5, but expected/);
});

test('readLabels takes label 0 as the background, and says so where its name is another', () => {
  const read = (labels: Parameters<typeof readLabels>[0]) => {
    const warnings: string[] = [];
    return { ...readLabels(labels, 'f', (text) => warnings.push(text)), warnings };
  };
  assert.throws(() => read({ Background: 1, spleen: 0 }), /f: the background is label 1, but it must be/);
  assert.match(
    read({ liver: 0, spleen: 1 }).warnings[0],
    /f names label 0 "liver"\. Label 0 is taken as the/,
  );
  assert.match(read({ bg: 0, Ignore: 1 }).warnings[0], /f has a label "Ignore", which is measured like any/);
  assert.equal(read({ ' a': 1, 'a ': 2, '': 3 }).labelNames, { 1: 'a_1', 2: 'a_2', 3: '3' });
  // No labels at all are no names, so that all labels that occur are measured.
  assert.equal(read({}), { warnings: [] });
});

const nnunetFiles = {
  'imagesTr/a_0000.nii.gz': '',
  'imagesTr/a_0001.nii.gz': '',
  'imagesTr/b_1_0000.nii.gz': '',
  'imagesTr/b_1_0001.nii.gz': '',
  'imagesTs/t_0000.nii.gz': '',
  'imagesTs/t_0001.nii.gz': '',
  'labelsTr/a.nii.gz': '',
  'labelsTr/b_1.nii.gz': '',
};
const labels = { background: 0, spleen: 1 };
const version2 = { channel_names: { 0: 'T1', 1: 'T2' }, labels, numTraining: 2, file_ending: '.nii.gz' };
const listed = (id: string) => ({ image: `./imagesTr/${id}.nii.gz`, label: `./labelsTr/${id}.nii.gz` });
const version1 = {
  modality: { 0: 'T1', 1: 'T2' },
  labels: { 0: 'background', 1: 'spleen' },
  training: [listed('a'), listed('b_1')],
  test: ['./imagesTs/t.nii.gz'],
};
const channelsOf = (id: string, folder = 'imagesTr') => ({
  channels: [`${folder}/${id}_0000.nii.gz`, `${folder}/${id}_0001.nii.gz`],
});

test('nnunet reads the raw layout of both versions, and decathlon reads it too', async () => {
  for (const dataset of [version2, version1]) {
    const root = folderWith({ ...nnunetFiles, 'dataset.json': dataset });
    for (const source of [nnunet, decathlon] as AnySource[]) {
      const { items } = await open(source, { root });
      assert.equal(idsOf({ items }), ['a', 'b_1', 't']);
      assert.equal(filesOf(items, root), [
        { image: channelsOf('a'), label: 'labelsTr/a.nii.gz' },
        { image: channelsOf('b_1'), label: 'labelsTr/b_1.nii.gz' },
        { image: channelsOf('t', 'imagesTs') },
      ]);
      assert.equal((items[0] as Case).labelNames, { 0: 'background', 1: 'spleen' });
    }
  }
});

test('nnunet takes the folds of splits_final.json, in the dataset or in nnUNet_preprocessed', async () => {
  const folds = [
    { train: ['a'], val: ['b_1'] },
    { train: ['b_1'], val: ['a'] },
  ];
  const files = Object.fromEntries(
    Object.entries({ ...nnunetFiles, 'dataset.json': version2 }).map(([name, content]) => [
      `nnUNet_raw/Dataset001_X/${name}`,
      content,
    ]),
  );
  const folder = folderWith({ ...files, 'nnUNet_preprocessed/Dataset001_X/splits_final.json': folds });
  const root = join(folder, 'nnUNet_raw/Dataset001_X');
  assert.equal(idsOf(await open(nnunet, { root, split: 'validation', fold: 0 })), ['b_1']);
  assert.equal(idsOf(await open(nnunet, { root, split: 'train', fold: 1 })), ['b_1']);
  assert.match(await messageOf(open(nnunet, { root, split: 'train', fold: 2 })), /has 2 folds, 0 to 1/);
  assert.match(await messageOf(open(nnunet, { root, split: 'train' })), /split "train" needs a fold/);
  assert.match(await messageOf(open(nnunet, { root, fold: 1 })), /fold and splits go with/);
});

test('nnunet makes the folds of nnU-Net itself where splits_final.json is missing', async () => {
  // Computed with numpy 1.24 by the code of scikit-learn's KFold(5, shuffle=True, random_state=12345).
  const held = (count: number) => nnunetFolds(count).map(({ validation }) => validation);
  assert.equal(held(5), [[0], [4], [3], [1], [2]]);
  assert.equal(held(12), [
    [0, 3, 8],
    [7, 10, 11],
    [6, 9],
    [1, 4],
    [2, 5],
  ]);
  const digest = createHash('sha256').update(JSON.stringify([held(100), held(484), held(1000)]));
  assert.is(digest.digest('hex'), '60224429dc0cfb802b53fc6ce8d24588dcc67525be2df8d244f2ec62fcefeb4d');
  for (const { train, validation } of nnunetFolds(12)) {
    assert.equal(
      [...train, ...validation].sort((a, b) => a - b),
      Array.from({ length: 12 }, (_, i) => i),
    );
  }
  const ids = Array.from({ length: 12 }, (_, i) => `c${String.fromCharCode(97 + i)}`);
  const files = ids.flatMap((id) => [
    [`imagesTr/${id}_0000.nii.gz`, ''],
    [`labelsTr/${id}.nii.gz`, ''],
  ]);
  const dataset = { channel_names: { 0: 'CT' }, labels, file_ending: '.nii.gz' };
  const root = folderWith({ ...Object.fromEntries(files), 'dataset.json': dataset });
  const found = await open(nnunet, { root, split: 'validation', fold: 0 });
  assert.equal(idsOf(found), ['ca', 'cd', 'ci']);
  assert.match(found.warnings[0], /There is no splits_final\.json in .* the folds are those that nnU-Net v2/);
  assert.match(await messageOf(open(nnunet, { root, split: 'train', fold: 5 })), /nnU-Net makes 5 folds/);
});

test('nnunet reads labels of test cases, and compares dataset.json with what is there', async () => {
  const { test, ...rest } = version1;
  const root = folderWith({
    ...nnunetFiles,
    'labelsTs/t.nii.gz': '',
    'dataset.json': { ...version2, numTraining: 3 },
    'v1/dataset.json': { ...rest, training: [listed('b_1')] },
    ...Object.fromEntries(Object.keys(nnunetFiles).map((name) => [`v1/${name}`, ''])),
    'ending/dataset.json': { ...version2, file_ending: '.nrrd' },
    'ending/imagesTr/a_0000.nii.gz': '',
    'gap/dataset.json': version2,
    'gap/imagesTr/a_0000.nii.gz': '',
    'gap/imagesTr/a_0002.nii.gz': '',
  });
  const found = await open(nnunet, { root, split: 'test' });
  assert.equal(filesOf(found.items, root), [
    { image: channelsOf('t', 'imagesTs'), label: 'labelsTs/t.nii.gz' },
  ]);
  assert.match(found.warnings.join(), /numTraining is 3, but there are 2 training case\(s\)/);
  // Version 1 lists its cases.
  assert.equal(idsOf(await open(nnunet, { root: join(root, 'v1') })), ['b_1', 't']);
  assert.match(
    await messageOf(open(nnunet, { root: join(root, 'ending') })),
    /file_ending is "\.nrrd", but imagesTr has no file CASE_0000\.nrrd\. It has names such as a_0000\.nii\.gz/,
  );
  assert.match(
    await messageOf(open(nnunet, { root: join(root, 'gap') })),
    /case a has 2 file\(s\) .* Expected: a_0000\.nii\.gz and a_0001\.nii\.gz/,
  );
});

test('decathlon says what a folder without dataset.json may be', async () => {
  const root = folderWith({ ...nnunetFiles, 'bids/sub-01/anat/sub-01_T1w.nii.gz': '' });
  assert.match(
    (await open(decathlon, { root })).warnings.join(),
    /no image in imagesTr has a label of the same/,
  );
  assert.match(
    await messageOf(open(decathlon, { root: join(root, 'bids') })),
    /It has folders sub-\*: read it with the source "bids"/,
  );
});

test('nnunet refuses cases without a channel, and few cases without folds', async () => {
  const { 'imagesTr/a_0001.nii.gz': _, ...incomplete } = nnunetFiles;
  const root = folderWith({ ...incomplete, 'dataset.json': version2 });
  assert.match(
    await messageOf(open(nnunet, { root })),
    /names 2 channel\(s\), but case a has 1 file\(s\) in imagesTr/,
  );
  const complete = folderWith({ ...nnunetFiles, 'dataset.json': version2 });
  assert.match(
    await messageOf(open(nnunet, { root: complete, split: 'train', fold: 0 })),
    /nnU-Net makes 5 folds of at least 5 cases, but .* there are 2 case\(s\)/,
  );
});

test('a list of 100,000 rows is read in 110 MiB, and one that no memory may hold is refused', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'long.csv');
  const rows = Array.from(
    { length: 100_000 },
    (_, i) => `case_${i},images/case_${i}.nii.gz,labels/case_${i}.nii.gz`,
  );
  writeFileSync(file, `id,image,label\n${rows.join('\n')}\n`);
  const script = `
    import { selectCases } from '#src/pipeline/select.js';
    import { datalist } from '#src/sources/datalist.js';
    console.log((await selectCases(datalist({ path: process.argv[1] }), {})).length);
  `;
  const flags = ['--max-old-space-size=110', '--input-type=module', '-e', script];
  const { stdout, stderr } = spawnSync(process.execPath, [...flags, file], { cwd: root, encoding: 'utf8' });
  assert.is(stdout.trim(), '100000', stderr);
  const list = async (content: string | undefined, name: string) => {
    const path = join(folder, name);
    if (content === undefined) {
      writeFileSync(path, 'image\n');
      truncateSync(path, 2 ** 36);
    } else writeFileSync(path, content);
    for await (const _ of datalist({ path }));
  };
  const messageOf = (promise: Promise<void>) =>
    promise.then(
      () => 'read',
      (error) => error.message,
    );
  assert.match(
    await messageOf(list(undefined, 'huge.csv')),
    /huge\.csv has 64\.0 GiB, but lists of at most 128\.0 MiB/,
  );
  const many = `["a"${',"a"'.repeat(2_000_000)}]`;
  assert.match(
    await messageOf(list(many, 'many.json')),
    /many\.json has more than 2000000 entries\. Split it/,
  );
});

test.run();
