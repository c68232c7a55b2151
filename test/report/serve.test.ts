import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionError } from '#src/errors.js';
import { readVolume } from '#src/formats/index.js';
import type { CaseNote } from '#src/report/caseNote.js';
import type { ReportData } from '#src/report/read.js';
import { type ServedReport, serveReport } from '#src/report/serve.js';
import { temporaryFolder } from '../e2e/harness.js';

const root = temporaryFolder();
const folder = join(root, 'out/report');
mkdirSync(join(folder, 'cases/a'), { recursive: true });
writeFileSync(join(folder, 'index.html'), '<!doctype html><html><head></head><body>a report</body></html>');
writeFileSync(join(folder, 'cases/a/axial.png'), 'a picture');
writeFileSync(join(folder, 'cases/a/script.js'), 'alert(1)');
writeFileSync(join(folder, 'lanes.json'), '{}');
writeFileSync(join(root, 'out/run.json'), '{ "secret": 1 }');
writeFileSync(join(root, 'secret.json'), '{ "secret": 1 }');
symlinkSync(join(root, 'secret.json'), join(folder, 'cases/a/case.json'));
writeFileSync(
  join(root, 'ct.mha'),
  'ObjectType = Image\nNDims = 3\nDimSize = 2 1 1\nElementType = MET_SHORT\nElementSpacing = 1 1 1\nElementDataFile = LOCAL\n\x07\x00\x09\x00',
  'latin1',
);

const note = (image: string | null): CaseNote => ({
  case: 'a',
  planes: [],
  image,
  grey: true,
  masks: ['prediction'],
  window: null,
  labels: [],
});
const subject = (id: string, image: string | null) => ({ id, metrics: [], timings: {}, note: note(image) });
const data: ReportData = {
  cases: [
    subject('a', join(root, 'ct.mha')),
    subject('text', join(root, 'secret.json')),
    subject('gone', join(root, 'gone.nii.gz')),
    subject('broken', join(root, 'broken.nii')),
    { id: 'unseen', metrics: [], timings: {} },
    subject('</script><script>alert(1)</script>', null),
  ],
  failures: [],
  run: {},
};
writeFileSync(join(root, 'broken.nii'), '{ "secret": 1 }');

let served: ServedReport;
test.before(async () => {
  served = await serveReport(folder, data);
});
test.after(() => served.close());

/** What the server answers to a request line as it stands, which `fetch` would tidy up before it is sent. */
function ask(line: string, host = new URL(served.url).host): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(served.url).port), '127.0.0.1');
    let answer = '';
    socket.on('data', (part) => (answer += part.toString('latin1')));
    socket.on('end', () => resolve(answer)).on('error', reject);
    socket.write(`${line} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  });
}

const statusOf = async (...asked: Parameters<typeof ask>) => Number((await ask(...asked)).split(' ')[1]);

test('the page is served with the mark of the view in 3D, and pictures with their type', async () => {
  const page = await ask('GET /');
  assert.match(page, /^HTTP\/1\.1 200 /);
  assert.match(page, /\r\nContent-Type: text\/html; charset=utf-8\r\n/);
  assert.match(page, /<meta name="voxstream-viewer" content="3d\/">.*a report/s);
  const picture = await ask('GET /cases/a/axial.png');
  assert.match(picture, /\r\nContent-Type: image\/png\r\n.*\r\n\r\na picture$/s);
  assert.match(picture, /\r\nX-Content-Type-Options: nosniff\r\n/);
  assert.match(picture, /\r\nContent-Security-Policy: default-src 'none'; script-src 'self';/);
  assert.match(picture, /\r\nCross-Origin-Resource-Policy: same-origin\r\n/);
});

test('paths that leave the report are refused, however they are written', async () => {
  const ways = [
    '/../run.json',
    '/cases/../../run.json',
    '/%2e%2e/run.json',
    '/cases/%2E%2E/%2e%2e/run.json',
    '/cases/..%2f..%2frun.json',
    '/..%5crun.json',
    '/cases/a/%00axial.png',
    '//etc/passwd',
    'http://127.0.0.1/../run.json',
    '/cases/%E0%A4',
  ];
  for (const way of ways) {
    const answer = await ask(`GET ${way}`);
    assert.match(answer, /^HTTP\/1\.1 40[034] /, way);
    assert.not.ok(answer.includes('secret'), way);
  }
});

test('of the folder only the page and the files of cases are served, and no links out of it', async () => {
  assert.is(await statusOf('GET /lanes.json'), 404);
  assert.is(await statusOf('GET /cases/a/script.js'), 404);
  assert.is(await statusOf('GET /cases/a'), 404);
  assert.is(await statusOf('GET /cases/a/coronal.png'), 404);
  const link = await ask('GET /cases/a/case.json');
  assert.match(link, /^HTTP\/1\.1 404 /);
  assert.not.ok(link.includes('secret'));
});

test('requests for another host are refused, so that no name can be made to lead here', async () => {
  const { port } = new URL(served.url);
  assert.is(await statusOf('GET /', `localhost:${port}`), 200);
  for (const host of [
    'evil.example',
    `evil.example:${port}`,
    '127.0.0.1',
    `127.0.0.1.evil.example:${port}`,
    '',
  ]) {
    assert.is(await statusOf('GET /', host), 403, host);
  }
});

test('nothing but GET and HEAD is answered', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    assert.match(await ask(`${method} /`), /^HTTP\/1\.1 405 .*\r\nAllow: GET, HEAD\r\n/s);
  }
  const [head, body] = (await ask('HEAD /')).split('\r\n\r\n');
  assert.match(head, /^HTTP\/1\.1 200 .*\r\nContent-Length: [1-9]/s);
  assert.is(body, '');
});

test('images are handed out by case, as NIfTI, and only if the report names them and they are images', async () => {
  const answer = await fetch(`${served.url}3d/image?case=a`);
  assert.is(answer.status, 200);
  const file = join(root, 'served.nii');
  writeFileSync(file, new Uint8Array(await answer.arrayBuffer()));
  assert.equal([...(await readVolume(file, { kind: 'image' })).data], [7, 9]);

  const refusal = async (id: string) => {
    const refused = await fetch(`${served.url}3d/image?case=${id}`);
    assert.is(refused.status, 404, id);
    return refused.text();
  };
  assert.match(await refusal('text'), /knows no image file/);
  assert.match(await refusal('gone'), /gone\.nii\.gz cannot be read: there is no such file/);
  assert.match(await refusal('broken'), /broken\.nii is not a NIfTI file/);
  assert.match(await refusal('unseen'), /knows no image file/);
  assert.match(await refusal('/etc/passwd'), /no such case/);
});

test('the page of the view in 3D holds names as text', async () => {
  const id = data.cases[5].id;
  const page = await (await fetch(`${served.url}3d/?case=${encodeURIComponent(id)}`)).text();
  assert.not.ok(page.includes('<script>alert'));
  const embedded = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)![1];
  assert.is(JSON.parse(embedded).id, id);
});

test('a port that is taken is reported in a sentence', async () => {
  const { port } = new URL(served.url);
  const error = await serveReport(folder, data, Number(port)).catch((reason: Error) => reason);
  assert.instance(error, OptionError);
  assert.is(
    (error as Error).message,
    `Port ${port} is used by another program. Choose another one with --port, or leave out --port to use any free port.`,
  );
});

test.run();
