import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readVolume } from '#src/formats/index.js';
import { buildNifti } from '../formats/buildNifti.js';
import { tarMember } from '../formats/buildTar.js';
import { FileServer } from '../models/fileServer.js';
import { temporaryFolder, voxstream } from './harness.js';

const sform = { code: 1, rows: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] };
const size = [30, 20, 10];
const voxels = 6000;
const image = Array.from({ length: 4 * voxels }, (_, i) => (i * 7919) % 4093);
const labels = Array.from({ length: voxels }, (_, i) => i % 4);

/** An archive laid out as Task01_BrainTumour is: images of 4 channels, 3 labels, and macOS `._*` files. */
const archive = Buffer.concat([
  tarMember('./Task01_BrainTumour/._dataset.json', 'not JSON'),
  tarMember(
    './Task01_BrainTumour/dataset.json',
    JSON.stringify({
      modality: { 0: 'FLAIR', 1: 'T1w', 2: 't1gd', 3: 'T2w' },
      labels: { 0: 'background', 1: 'edema', 2: 'non-enhancing tumor', 3: 'enhancing tumour' },
      training: [{ image: './imagesTr/BRATS_001.nii.gz', label: './labelsTr/BRATS_001.nii.gz' }],
      test: [],
    }),
  ),
  tarMember('./Task01_BrainTumour/imagesTr/._BRATS_001.nii.gz', 'not an image'),
  tarMember(
    './Task01_BrainTumour/imagesTr/BRATS_001.nii.gz',
    gzipSync(buildNifti({ dims: [...size, 4], values: image, sform })),
  ),
  tarMember(
    './Task01_BrainTumour/labelsTr/BRATS_001.nii.gz',
    gzipSync(buildNifti({ dims: size, datatype: 2, values: labels, sform })),
  ),
  Buffer.alloc(1024),
]);
const md5 = createHash('md5').update(archive).digest('hex');
const server = await FileServer.start(archive);
test.after(() => server.stop());

function setUp(entry: object = {}) {
  const folder = temporaryFolder();
  const registry = join(folder, 'registry.json');
  const found = { Task01_BrainTumour: { url: server.url, md5, content: 'MR', ...entry } };
  writeFileSync(registry, JSON.stringify(found));
  const file = join(folder, 'voxstream/data/Task01_BrainTumour.tar');
  const command = (...args: string[]) => voxstream(args, { XDG_CACHE_HOME: folder }, folder);
  const pull = () => command('data', 'pull', 'Task01_BrainTumour', '--registry', registry);
  return { folder, registry, file, command, pull };
}

test('data pull continues an interrupted download, and the source decathlon reads the archive by its name', async () => {
  const { folder, registry, file, command, pull } = setUp();
  server.behaviours = [{ cutAfter: 4000 }];
  server.partial = `${file}.partial`;
  const pulled = await pull();
  assert.is(pulled.code, 0, pulled.stderr);
  assert.match(pulled.stdout, /source: \{ decathlon: \{ root: Task01_BrainTumour \} \}/);
  assert.match(server.ranges.at(-1) ?? '', /^bytes=\d+-$/);
  const listed = JSON.parse((await command('data', 'list', '--registry', registry, '--json')).stdout);
  assert.is(listed[0].file, file);

  const pipeline = [
    'name: brain',
    'source: { decathlon: { root: Task01_BrainTumour } }',
    'steps: [ load ]',
    'sinks: [ { nifti: { keys: [image, label] } } ]',
    'output: out',
  ];
  writeFileSync(join(folder, 'p.yaml'), pipeline.join('\n'));
  const ended = await command('run', 'p.yaml');
  assert.is(ended.code, 0, ended.stderr);
  const read = await readVolume(join(folder, 'out/BRATS_001_image.nii.gz'), { kind: 'image' });
  assert.is(read.channels, 4);
  assert.equal([...read.data], image);
  const label = await readVolume(join(folder, 'out/BRATS_001_label.nii.gz'), { kind: 'label' });
  assert.equal([...label.data], labels);
});

test('data pull refuses a file with another checksum, and says offline what to fetch and where to put it', async () => {
  const wrong = setUp({ md5: '0'.repeat(32) });
  const damaged = await wrong.pull();
  assert.is(damaged.code, 1);
  assert.match(damaged.stderr, /has the MD5 .* but it must be 0{32}/);
  assert.not(existsSync(wrong.file));
  const offline = setUp({ url: 'http://127.0.0.1:9/Task01_BrainTumour.tar' });
  const said = await offline.pull();
  assert.is(said.code, 1);
  assert.match(
    said.stderr,
    `download\n  http://127.0.0.1:9/Task01_BrainTumour.tar\nand copy it to\n  ${offline.file}`,
  );
  mkdirSync(join(offline.file, '..'), { recursive: true });
  writeFileSync(offline.file, archive);
  assert.is((await offline.pull()).code, 0);
  writeFileSync(offline.file, 'other');
  assert.match((await offline.pull()).stderr, /is not the file of .* its MD5 must be/);
});

test('data pull stops at the size that the registry states', async () => {
  const { file, pull } = setUp({ size: archive.length });
  server.behaviours = [{ endless: true }];
  const endless = await pull();
  assert.is(endless.code, 1);
  assert.match(
    endless.stderr,
    `sends more than the ${archive.length} bytes that it should have. It was removed`,
  );
  assert.ok(server.sent < 2 ** 28, `${server.sent} bytes were accepted`);
  assert.equal(readdirSync(dirname(file)), []);
  const other = await setUp({ size: archive.length + 1 }).pull();
  assert.match(other.stderr, `has ${archive.length} bytes, but the registry states ${archive.length + 1}`);
  assert.is((await pull()).code, 0);
  assert.match(
    (await setUp({ size: -1 }).pull()).stderr,
    /registry\.json: Task01_BrainTumour\.size must be more than 0, but it is -1\.$/m,
  );
});

test('a dataset that was not pulled, or is unknown, is refused with what to do', async () => {
  const { folder, command } = setUp();
  writeFileSync(
    join(folder, 'p.yaml'),
    'name: s\nsource: { decathlon: { root: Task09_Spleen } }\nsteps: [ load ]\n',
  );
  assert.match(
    (await command('run', 'p.yaml')).stderr,
    /Run "voxstream data pull Task09_Spleen" to download it/,
  );
  assert.match((await command('data', 'pull', 'Task9_Spleen')).stderr, /did you mean "Task09_Spleen"/);
});

test.run();
