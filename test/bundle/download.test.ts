import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type BundleDownload,
  downloadBundle,
  downloadLargeFiles,
} from '#src/bundle/download/downloadBundle.js';
import { VoxError } from '#src/errors.js';
import { partialSuffix } from '#src/formats/aside.js';
import { writeZip } from '#src/formats/writeZip.js';
import { temporaryFolder, voxstream } from '../e2e/harness.js';
import { ZooServer } from './zooServer.js';

const server = await ZooServer.start();
test.after(() => server.stop());
test.before.each(() => {
  server.answers.clear();
  server.requests.length = 0;
  process.env.HF_ENDPOINT = server.url;
  process.env.XDG_CACHE_HOME = temporaryFolder();
});

const name = 'spleen_ct_segmentation';
const weights = Buffer.alloc(200_000, 'weights ');
const config = Buffer.from('{"a": 1}');
const largeFiles = (value: string) =>
  Buffer.from(
    `large_files:\n  - {path: models/model.pt, url: "${server.url}/old.pt", hash_val: "", hash_type: ""}\n` +
      `  - {path: models/more.pt, url: "${server.url}/more.pt", hash_val: ${value}, hash_type: md5}\n` +
      `  - {path: models/model.ts, url: "${server.url}/model.ts"}\n`,
  );
const hash = (algorithm: string, ...parts: (string | Uint8Array)[]) => {
  const made = createHash(algorithm);
  for (const part of parts) made.update(part);
  return made.digest('hex');
};
const gitBlob = (bytes: Uint8Array) => hash('sha1', `blob ${bytes.length}\0`, bytes);

/** Puts a bundle on the server, in the form of Hugging Face: a list in two parts, large files elsewhere. */
function publish(revision = 'main'): void {
  const list = `/api/models/MONAI/${name}/tree/${revision}?recursive=true`;
  const files = `/MONAI/${name}/resolve/${revision}`;
  const entry = (path: string, bytes: Uint8Array) => ({
    type: 'file',
    path,
    size: bytes.length,
    oid: gitBlob(bytes),
  });
  const large = largeFiles(hash('md5', weights));
  server.answers.set(list, {
    json: [
      { type: 'directory', path: 'configs', size: 0, oid: 'x' },
      entry('configs/inference.json', config),
    ],
    next: `${server.url}/rest`,
  });
  server.answers.set('/rest', {
    json: [
      { ...entry('models/model.pt', weights), oid: 'pointer', lfs: { oid: hash('sha256', weights) } },
      { ...entry('models/model.ts', weights), lfs: { oid: 'nothing' } },
      entry('large_files.yml', large),
      entry('../outside.txt', config),
    ],
  });
  server.answers.set(`${files}/configs/inference.json`, { bytes: config });
  server.answers.set(`${files}/models/model.pt`, { redirect: `${server.url}/cdn/1` });
  server.answers.set('/cdn/1', { bytes: weights });
  server.answers.set(`${files}/large_files.yml`, { bytes: large });
  server.answers.set('/more.pt', { bytes: weights });
}

function given(more: Partial<BundleDownload> = {}): BundleDownload & { readonly said: string[] } {
  const said: string[] = [];
  const folder = join(temporaryFolder(), name);
  return { name, folder, zooList: `${server.url}/list`, say: (message) => said.push(message), said, ...more };
}

const message = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'nothing was thrown',
    (error) => {
      assert.instance(error, VoxError, error.stack);
      return error.message;
    },
  );

const filesOf = (folder: string) =>
  (readdirSync(folder, { recursive: true, withFileTypes: true }) ?? [])
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name).slice(folder.length + 1))
    .sort();

const whole = ['configs/inference.json', 'large_files.yml', 'models/model.pt', 'models/more.pt'];

test('a bundle comes from Hugging Face, and its large files from their own addresses', async () => {
  publish();
  const options = given();
  // The weights break off once, and continue where they stopped.
  const partial = join(options.folder, `models/model.pt${partialSuffix}`);
  server.cuts.set('/cdn/1', { after: 50_000, partial });
  await downloadBundle(options);
  assert.equal(filesOf(options.folder), whole);
  assert.is(Buffer.compare(readFileSync(join(options.folder, 'models/model.pt')), weights), 0);
  assert.ok(server.requests.includes('/cdn/1 bytes=50000-'));
  assert.not.ok(server.requests.some((one) => one.includes('model.ts') || one.includes('old.pt')));

  // What is there and right is kept.
  server.requests.length = 0;
  await downloadBundle(options);
  assert.equal(server.requests, [`/api/models/MONAI/${name}/tree/main?recursive=true`, '/rest']);
});

test('files that differ from the published ones are replaced only on request', async () => {
  publish('0.5.9');
  const options = given({ version: '0.5.9' });
  mkdirSync(join(options.folder, 'configs'), { recursive: true });
  const mine = join(options.folder, 'configs/inference.json');
  writeFileSync(mine, '{"a": 2}');
  assert.match(await message(downloadBundle(options)), /not the published ones: configs\/inference\.json\./);
  assert.is(readFileSync(mine, 'utf8'), '{"a": 2}');
  await downloadBundle({ ...options, force: true });
  assert.is(readFileSync(mine, 'utf8'), '{"a": 1}');
  assert.equal(filesOf(options.folder), whole);
});

test('what Hugging Face does not have comes from the archive on NGC, with the newest version', async () => {
  const archive = join(temporaryFolder(), 'a.zip');
  const large = largeFiles(hash('md5', weights));
  await writeZip(archive, [
    { name: `${name}/configs/inference.json`, bytes: config },
    { name: `${name}/models/model.pt`, bytes: weights },
    { name: `${name}/models/model.ts`, bytes: weights },
    { name: `${name}/large_files.yml`, bytes: large },
  ]);
  const bytes = readFileSync(archive);
  const entry = (version: string, checksum: string) => ({
    [`${name}_v${version}`]: { source: `${server.url}/${version}.zip`, checksum },
  });
  const list = { ...entry('0.5.10', hash('sha1', bytes)), ...entry('0.5.9', '0'.repeat(40)) };
  server.answers.set('/list', { json: { ...list, vista3d_v1: { source: `${server.url}/x` } } });
  server.answers.set('/0.5.10.zip', { bytes });
  server.answers.set('/0.5.9.zip', { bytes });
  server.answers.set('/more.pt', { bytes: weights });
  const options = given();
  await downloadBundle(options);
  assert.match(options.said[0], /answers 404 Not Found: there is nothing there\. Trying NGC\.$/);
  assert.equal(filesOf(options.folder), whole);

  const other = (version: string) => message(downloadBundle(given({ version, server: 'ngc' })));
  assert.match(await other('0.5.9'), /has the SHA-1 [0-9a-f]{40}, but it must be 0{40}/);
  assert.match(await other('9.9'), /Of spleen_ct_segmentation there is no version "9\.9"/);
  const typo = given({ name: 'spleen_ct_segmentatoin', server: 'ngc' });
  assert.match(await message(downloadBundle(typo)), /did you mean "spleen_ct_segmentation"\?/);
});

test('wrong files are refused: another checksum, a web page, another kind of answer', async () => {
  publish();
  server.answers.set('/cdn/1', { bytes: Buffer.alloc(weights.length, 'x') });
  const options = given();
  assert.match(
    await message(downloadBundle(options)),
    /has the SHA-256 [0-9a-f]{64}, but it must be .* Hugging Face is out of date/,
  );
  assert.not(existsSync(join(options.folder, 'models/model.pt')));

  server.answers.set(`/api/models/MONAI/${name}/tree/main?recursive=true`, { json: { error: 'no' } });
  assert.match(await message(downloadBundle(given())), /does not answer with a list of files/);

  const folder = temporaryFolder();
  writeFileSync(join(folder, 'large_files.yaml'), largeFiles(hash('md5', weights)));
  server.answers.set('/old.pt', { bytes: Buffer.from('<html>'), type: 'text/html' });
  const page = await message(downloadLargeFiles(folder, given()));
  assert.match(page, /is a web page, probably one to log in or to confirm/);
  assert.ok(
    page.includes(`Download\n  ${server.url}/old.pt\nin another way, and copy it to\n  ${folder}/models`),
  );

  // Without a checksum, the file is accepted with a message.
  server.answers.set('/old.pt', { bytes: weights });
  const { said, say } = given();
  assert.equal(await downloadLargeFiles(folder, { say }), ['models/model.pt', 'models/more.pt']);
  assert.match(said[0], /models\/model\.pt was not checked: large_files\.yaml states no checksum/);
  writeFileSync(join(folder, 'large_files.yaml'), 'large_files: [{path: ../x.pt, url: "http://x/y"}]');
  assert.match(
    await message(downloadLargeFiles(folder, given())),
    /\.\.\/x\.pt must be a path in the bundle/,
  );
});

test('offline, the command says what to put where; names that are none are refused', async () => {
  process.env.HF_ENDPOINT = 'http://127.0.0.1:9';
  const options = given();
  const offline = await message(downloadBundle(options));
  assert.match(offline, /^127\.0\.0\.1:9 cannot be reached: /);
  for (const part of [
    'http://127.0.0.1:9/MONAI/spleen_ct_segmentation/tree/main',
    'names under "spleen_ct_segmentation_vVERSION"',
    options.folder,
  ]) {
    assert.ok(offline.includes(part), offline);
  }
  assert.match(
    await message(downloadBundle(given({ name: '../x' }))),
    /"\.\.\/x" is not the name of a bundle/,
  );
});

test('bundle download NAME writes the folder and says what to do next', async () => {
  publish('0.5.9');
  const folder = join(temporaryFolder(), 'here');
  const env = { HF_ENDPOINT: server.url, XDG_CACHE_HOME: temporaryFolder() };
  const args = ['bundle', 'download', `${name}@0.5.9`, '-o', folder];
  const { code, stdout, stderr } = await voxstream(args, env);
  assert.is(code, 0, stderr);
  assert.match(stdout, /here\n$/);
  assert.match(stderr, /models\/model\.pt: 195\.3 KiB of 195\.3 KiB \(100 %\)/);
  assert.match(stderr, /See what it does: voxstream bundle info /);
  assert.equal(filesOf(folder), whole);
});

test.run();
