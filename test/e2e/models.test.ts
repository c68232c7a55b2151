import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FileServer } from '../models/fileServer.js';
import { buildCheckpoint, pickleOf, text } from '../onnx/checkpoint/buildCheckpoint.js';
import { bandModel, root, temporaryFolder, voxstream } from './harness.js';

const networks = join(root, 'test/fixtures/networks');
const checkpoint = join(networks, 'unet_plain.pt');
const weights = readFileSync(checkpoint);
const md5 = createHash('md5').update(weights).digest('hex');
const config = { in_channels: 1, out_channels: 2, channels: [4, 6, 8, 8], strides: [2, 2, [2, 1, 2]] };
const server = await FileServer.start(weights);
test.after(() => server.stop());

/** A cache folder of its own, and what a command run with it says. */
function newCache() {
  const cache = temporaryFolder();
  const models = (...args: string[]) => voxstream(['models', ...args], { XDG_CACHE_HOME: cache });
  return { cache, models };
}

/** A registry with one model, which the server has. */
function writeRegistry(more: object = {}): string {
  const file = join(temporaryFolder(), 'registry.json');
  const card = {
    description: 'random weights',
    license: 'CC0-1.0',
    labels: { 0: 'background', 1: 'spleen' },
    input: { patch: [24, 16, 16] },
  };
  const entry = { url: server.url, md5, network: { type: 'UNet', ...config }, card, ...more };
  writeFileSync(file, JSON.stringify({ tiny: entry }));
  return file;
}

test('a checkpoint is imported by name, listed, described, and replaced only with --force', async () => {
  const { cache, models } = newCache();
  const file = join(cache, 'config.yaml');
  writeFileSync(
    file,
    'in_channels: 1\nout_channels: 3\nchannels: [4, 6, 8, 8]\nstrides: [2, 2, [2, 1, 2]]\n',
  );
  const flags = ['--network', 'unet', '--config', file, '--set', 'out_channels=2', '--name', 'tiny'];
  const more = ['--labels', 'background,spleen', '--patch', '24,16,16'];
  const imported = await models('import', checkpoint, ...flags, ...more);
  assert.is(imported.code, 0, imported.stderr);
  assert.match(
    imported.stdout,
    /^tiny\n {2}network +UNet\(in_channels=1, out_channels=2, channels=\[4, 6, 8, 8\]/,
  );
  assert.match(imported.stdout, /use it +voxstream run PIPELINE --set model=tiny/);
  const folder = join(cache, 'voxstream/models/tiny');
  assert.equal(readdirSync(folder).sort(), ['metadata.json', 'model.onnx']);
  const card = JSON.parse(readFileSync(join(folder, 'metadata.json'), 'utf8'));
  assert.is(
    card.sha256,
    createHash('sha256')
      .update(readFileSync(join(folder, 'model.onnx')))
      .digest('hex'),
  );
  assert.equal(card.labels, { 0: 'background', 1: 'spleen' });

  const again = await models('import', checkpoint, ...flags);
  assert.is(again.code, 1);
  assert.match(again.stderr, /tiny already holds a model\. Give --force to replace it/);
  assert.is((await models('import', checkpoint, ...flags, ...more, '--force')).code, 0);

  const { stdout: list } = await models('list');
  assert.match(list, /^tiny +cache +\d+\.\d KiB +spleen$/m);
  assert.match(list, /^spleen_phantom +(here|package) +1\.7 MiB +spleen$/m);
  assert.match(
    list,
    /^spleen_ct_segmentation +registry +spleen +voxstream models pull spleen_ct_segmentation$/m,
  );

  const info = await models('info', 'tiny', '--json');
  assert.is(info.code, 0, info.stderr);
  const described = JSON.parse(info.stdout);
  assert.equal(described.inputs, [{ name: 'input', type: 'float32', dims: ['n', 1, 'x', 'y', 'z'] }]);
  assert.equal(
    described.forms.map(({ target }: { target: string }) => target),
    ['cpu', 'webgpu', 'cuda'],
  );
  assert.ok(described.forms[1].passes.includes('convTransposePhases'));
  assert.ok(described.forms.every(({ maxDifference }: { maxDifference: number }) => maxDifference < 1e-4));
  const { stdout: shown } = await models('info', 'tiny');
  assert.match(shown, /^ {2}inputs +input: float32 \[n, 1, x, y, z\]$/m);
  assert.match(shown, /^ {2}arithmetic +0\.0\d+ GFLOP for a window of 24 x 16 x 16$/m);
  assert.match(shown, /^ {2}cuda +/m);
});

test('a MONAI bundle is imported from its folder alone', async () => {
  const { cache, models } = newCache();
  const bundle = join(cache, 'my_bundle');
  mkdirSync(join(bundle, 'configs'), { recursive: true });
  mkdirSync(join(bundle, 'models'));
  copyFileSync(checkpoint, join(bundle, 'models/model.pt'));
  const yaml = `bundle_root: .
device: $torch.device('cuda:0')
levels: [4, 6, 8, 8]
labels: { spleen: 1, background: 0 }
network_def:
  _target_: UNet
  spatial_dims: 3
  in_channels: 1
  out_channels: $classes(@labels)
  channels: '@levels'
  strides: [2, 2, [2, 1, 2]]
inferer: { _target_: SlidingWindowInferer, roi_size: [24, 16, 16] }
`;
  writeFileSync(join(bundle, 'configs/inference.yaml'), yaml);
  const refused = await models('import', bundle);
  assert.is(refused.code, 1);
  assert.match(
    refused.stderr,
    /at network_def#out_channels, the expression "\$classes\(@labels\)" cannot be used: .*--set out_channels=VALUE/,
  );
  assert.not.ok(existsSync(join(cache, 'voxstream/models')));
  const output = join(cache, 'out');
  const { code, stderr, stdout } = await models('import', bundle, '--set', 'out_channels=2', '-o', output);
  assert.is(code, 0, stderr);
  assert.match(stdout, /^my_bundle\n/);
  assert.match(stdout, /patch +24 x 16 x 16 voxels/);
  assert.equal(readdirSync(output).sort(), ['metadata.json', 'model.onnx']);
});

test('a failed import is explained in a sentence and leaves nothing behind', async () => {
  const { cache, models } = newCache();
  const said = async (...args: string[]) => {
    const { code, stderr } = await models('import', ...args);
    assert.is(code, 1);
    assert.not.match(stderr, /unexpected|\n {4}at /);
    return stderr;
  };
  assert.match(await said(join(cache, 'none.pt')), /none\.pt cannot be read: there is no such file/);
  assert.match(
    await said(checkpoint),
    /holds weights, but not the name of their network\. Give it with --network/,
  );
  assert.match(
    await said(checkpoint, '--network', 'uunet'),
    /there is no network "uunet"; did you mean "UNet"\?/,
  );
  assert.match(await said(checkpoint, '--network', 'unet', '--set', 'channels'), /--set must be NAME=VALUE/);
  assert.match(await said(cache), /is not a MONAI bundle/);
  assert.match(
    await said(checkpoint, '--network', 'basicunet', '--name', '../../evil'),
    /The model's name is "\.\.\/\.\.\/evil", which cannot be the name of a folder/,
  );
  assert.match(
    await said(checkpoint, '--network', 'basicunet'),
    /The weights do not fit the network BasicUNet/,
  );
  const evil = join(temporaryFolder(), 'evil.pt');
  const ran = join(cache, 'ran');
  const pickle = pickleOf('cposix\nsystem\n', text(`touch ${ran}`), 0x85, 'R');
  writeFileSync(evil, buildCheckpoint(pickle));
  assert.match(await said(evil, '--network', 'unet'), /asks for posix\.system, .* nothing of it was run/);
  // Node 22.8 and later keep compiled code in the cache folder.
  const left = readdirSync(cache, { recursive: true, encoding: 'utf8' });
  assert.equal(
    left.filter((name) => !/^voxstream(\/code(\/|$)|$)/.test(name)),
    [],
  );
});

test('a model of the registry is downloaded, checked and imported once', async () => {
  const { cache, models } = newCache();
  const registry = writeRegistry();
  server.partial = join(cache, 'voxstream/downloads/weights.pt.partial');
  server.behaviours = [{ cutAfter: 20_000 }];
  const { code, stderr, stdout } = await models('pull', 'tiny', '--registry', registry);
  assert.is(code, 0, stderr);
  assert.match(stdout, /^tiny\n {2}about +random weights\n {2}license +CC0-1\.0\n/);
  assert.match(stderr, /weights\.pt: 39\.6 KiB of 39\.6 KiB \(100 %\)/);
  assert.is(server.ranges.length, 2, 'cut off once and taken up');
  const card = JSON.parse(readFileSync(join(cache, 'voxstream/models/tiny/metadata.json'), 'utf8'));
  assert.is(card.url, server.url);
  const again = await models('pull', 'tiny', '--registry', registry);
  assert.match(again.stdout, /^tiny already exists; --force imports it again\./);
  const forced = await models('pull', 'tiny', '--registry', registry, '--force');
  assert.is(forced.code, 0, forced.stderr);
  assert.is(server.ranges.length, 2, 'the download was kept');
});

test('a failed pull says why; offline, it says which file to put where', async () => {
  const { cache, models } = newCache();
  const pull = (registry: string) => models('pull', 'tiny', '--registry', registry);
  server.behaviours = [{ status: 404 }];
  assert.match((await pull(writeRegistry())).stderr, /answers 404 Not Found: the file no longer exists/);
  const other = await pull(writeRegistry({ md5: 'ab'.repeat(16) }));
  assert.match(other.stderr, /has the MD5 [0-9a-f]{32}, but it must be abab/);
  assert.equal(readdirSync(join(cache, 'voxstream/downloads')), []);

  const offline = writeRegistry({ url: 'http://127.0.0.1:9/files/weights.pt' });
  const { code, stderr } = await pull(offline);
  assert.is(code, 1);
  const place = join(cache, 'voxstream/downloads/weights.pt');
  assert.match(stderr, /127\.0\.0\.1:9 cannot be reached: /);
  assert.ok(
    stderr.includes(`download\n  http://127.0.0.1:9/files/weights.pt\nand copy it to\n  ${place}\n`),
    stderr,
  );
  writeFileSync(place, 'another file');
  assert.match((await pull(offline)).stderr, /weights\.pt is not the file of http.*: its MD5 must be/);
  copyFileSync(checkpoint, place);
  const byHand = await pull(offline);
  assert.is(byHand.code, 0, byHand.stderr);
  assert.match(
    (await models('pull', 'tinny', '--registry', offline)).stderr,
    /no model "tinny"; did you mean "tiny"\?/,
  );
  const faulty = writeRegistry({ url: 'ftp://x/y', size: -1 });
  assert.match((await pull(faulty)).stderr, /registry\.json: tiny\.url is "ftp:\/\/x\/y": /);
});

test('a model whose address is gone comes from the next one, and a wrong file is not taken', async () => {
  const { cache, models } = newCache();
  server.behaviours = [{ status: 410 }];
  const registry = writeRegistry({ mirrors: [server.url] });
  const { code, stderr } = await models('pull', 'tiny', '--registry', registry);
  assert.is(code, 0, stderr);
  server.behaviours = [{ status: 404 }];
  rmSync(join(cache, 'voxstream'), { recursive: true });
  const wrong = writeRegistry({ mirrors: ['http://127.0.0.1:9/weights.pt'] });
  const failed = await models('pull', 'tiny', '--registry', wrong);
  assert.match(
    failed.stderr,
    /answers 404 Not Found: the file no longer exists\.\n.*127\.0\.0\.1:9 cannot be reached/,
  );
  assert.match(failed.stderr, /weights\.pt\nor\n {2}http:\/\/127\.0\.0\.1:9\/weights\.pt\nand copy it to\n/);
});

test('a missing model of the registry is answered with the command that downloads it', async () => {
  const { cache, models } = newCache();
  const { stderr } = await models('info', 'models/spleen_ct_segmentation');
  assert.match(stderr, /Download it with "voxstream models pull spleen_ct_segmentation"/);
  // A pipeline's models/NAME is found by its name once it is in the cache.
  const folder = join(cache, 'voxstream/models/spleen_ct_segmentation');
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(bandModel, 'model.onnx'), join(folder, 'model.onnx'));
  const found = await models('info', 'models/spleen_ct_segmentation');
  assert.is(found.code, 0, found.stderr);
  assert.match(found.stdout, /^spleen_ct_segmentation\n/);
});

test('models info names axes by the card, and models optimize says where its model cannot run', async () => {
  const { models } = newCache();
  const info = await models('info', 'spleen_phantom', '--patch', '16,16,16');
  assert.match(info.stdout, /^ {2}inputs +input: float32 \[n, 1, z, y, x\]$/m);
  const made = await models('optimize', bandModel, '--target', 'cuda', '--patch', '16,16,8');
  assert.is(made.code, 0, made.stderr);
  const text = made.stdout.replace(/\s+/g, ' ');
  assert.match(text, /difference at most \S+ from .* on random windows, both run on the cpu/);
  if (!existsSync('/dev/nvidia0'))
    assert.match(
      text,
      /here this machine cannot run it\. The device cuda failed its test: .* See "voxstream doctor"\./,
    );
});

test('models optimize writes a form as a separate model', async () => {
  const { cache, models } = newCache();
  const { code, stderr, stdout } = await models(
    'optimize',
    bandModel,
    '--target',
    'webgpu',
    '--patch',
    '16,16,8',
  );
  assert.is(code, 0, stderr);
  assert.match(stdout, /^ {2}for +webgpu, float32, windows of 16 x 16 x 8 voxels only$/m);
  assert.match(
    stdout,
    /^ {2}use it +voxstream run PIPELINE --set model=spleen_band-webgpu --device webgpu$/m,
  );
  assert.ok(existsSync(join(cache, 'voxstream/models/spleen_band-webgpu/model.onnx')));
  assert.match((await models('list')).stdout, /^spleen_band-webgpu +cache .* for webgpu, float32$/m);
  assert.match(
    (await models('optimize', bandModel, '--target', 'tpu')).stderr,
    /Allowed choices are cpu, webgpu, cuda/,
  );
});

test.run();
