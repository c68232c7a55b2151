import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { folderOfPage, openCommands } from '#src/report/browser/page/openWith.js';

const commands = (image: string | null, ...masks: string[]) =>
  openCommands(
    image,
    masks.map((path) => ({ name: 'prediction', path })),
  ).map(({ command }) => command);

test('paths are one word for the shell, whatever is in them', () => {
  assert.equal(commands("/a/it's $(rm) `x`.nii.gz", '/p q.nii.gz'), [
    "itksnap -g '/a/it'\\''s $(rm) `x`.nii.gz' -s '/p q.nii.gz'",
    "Slicer --python-code 'slicer.util.loadVolume(\"/a/it'\\''s $(rm) `x`.nii.gz\"); " +
      'slicer.util.loadSegmentation("/p q.nii.gz")\'',
  ]);
  assert.equal(commands('C:\\data\\ct.nii', 'C:\\r\\p.nii.gz'), [
    'itksnap -g "C:\\data\\ct.nii" -s "C:\\r\\p.nii.gz"',
    "Slicer --python-code \"slicer.util.loadVolume(r'C:\\data\\ct.nii'); slicer.util.loadSegmentation(r'C:\\r\\p.nii.gz')\"",
  ]);
});

test('a quote cannot end a literal in Python', () => {
  assert.match(commands('/a".nii', '/p.nii')[1], /loadVolume\("\/a\\"\.nii"\)/);
});

test('there are no commands for paths that are not files, or could act', () => {
  const bad = [
    ...[
      's3://bucket/ct.nii.gz',
      '/data/Task09.tar/ct.nii.gz',
      '/home/${env.USER}/ct.nii.gz',
      '/a\u001b[0m.nii',
    ],
    ...['/a\nrm.nii', '/a\u202e.nii', 'C:\\a"b.nii', 'C:\\%PATH%.nii', "C:\\it's.nii"],
  ];
  for (const path of bad) assert.equal(commands(path, '/p.nii'), [], path);
});

test('without an image there is a command for 3D Slicer only', () => {
  assert.equal(commands(null, '/p.nii'), ['Slicer --python-code \'slicer.util.loadSegmentation("/p.nii")\'']);
  assert.equal(commands(null), []);
});

test('a page that was opened as a file knows its folder', () => {
  assert.is(folderOfPage({ protocol: 'file:', pathname: '/out%20a/report/index.html' }), '/out a/report/');
  assert.is(folderOfPage({ protocol: 'file:', pathname: '/C:/out/index.html' }), 'C:\\out\\');
  assert.is(folderOfPage({ protocol: 'http:', pathname: '/index.html' }), '');
});

test.run();
