import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readVolume } from '#src/formats/index.js';
import { dicomweb } from '#src/sources/dicomweb.js';
import { start, temporaryFolder, voxstream } from '../e2e/harness.js';
import { buildDicom, type DataSet, sliceSet } from '../formats/dicom/buildDicom.js';
import { FakeServer, json, multipart, type Received, type Reply } from '../formats/dicomweb/fakeServer.js';

const ct = '1.2.840.10008.5.1.4.1.1.2';
const token = 'secret-token-4712';

/** The slices of the series 1.2.3.4, and of the MR series 1.2.3.5, which has two time points. */
const files = new Map<string, Buffer>();
for (let z = 0; z < 3; z++) files.set(`1.2.3.4.${z + 1}`, buildDicom(sliceSet(z)));
for (let i = 0; i < 6; i++) {
  const changes: DataSet = {
    '00080018 UI': `1.2.3.5.${i + 1}`,
    '0020000e UI': '1.2.3.5',
    '00080060 CS': 'MR',
    '00200100 IS': 1 + (i % 2),
  };
  files.set(`1.2.3.5.${i + 1}`, buildDicom(sliceSet(Math.floor(i / 2), changes)));
}

/** Lists one study with two image series and a report, and sends their files. */
function pacs({ url }: Received): Reply {
  if (Number(url.searchParams.get('offset')) > 0) return { status: 204 };
  const path = url.pathname.replace('/dicom-web', '');
  const number = { '00200011': 3, '00100020': 'SECRET-7' };
  if (path === '/studies') return json({ '0020000D': '1.2.3', '00100020': 'SECRET-7' });
  if (path === '/studies/1.2.3/series') {
    return json(
      { '0020000E': '1.2.3.4', '00080060': 'CT', ...number },
      { '0020000E': '1.2.3.5', '00080060': 'MR', ...number },
      { '0020000E': '1.2.3.6', '00080060': 'SR', ...number },
    );
  }
  const series = /^\/studies\/1\.2\.3\/series\/([\d.]+)\/instances$/.exec(path)?.[1];
  if (series === '1.2.3.6')
    return json({ '00080018': '1.2.3.6.1', '00080016': '1.2.840.10008.5.1.4.1.1.88.11' });
  if (series) {
    const uids = [...files.keys()].filter((uid) => uid.startsWith(`${series}.`));
    return json(...uids.map((uid) => ({ '00080018': uid, '00080016': ct })));
  }
  const file = files.get(path.split('/').at(-1) ?? '');
  return file ? multipart(file) : { status: 404 };
}

/** Runs a pipeline that reads from a server and writes images. */
async function run(source: object, reply: (received: Received) => Reply, more: readonly string[] = []) {
  const server = await FakeServer.start(reply);
  const [folder, temporary] = [temporaryFolder(), temporaryFolder()];
  const output = join(folder, 'out');
  const pipeline = {
    name: 'pacs',
    output,
    source: { dicomweb: { url: server.url, tokenEnv: 'TEST_PACS_TOKEN', ...source } },
    steps: ['load'],
    sinks: [{ nifti: { keys: 'image' } }],
  };
  const file = join(folder, 'p.json');
  const again = async (given: readonly string[] = more) => {
    writeFileSync(file, JSON.stringify(pipeline));
    const env = { TEST_PACS_TOKEN: token, TMPDIR: temporary };
    const result = await voxstream(['run', file, ...given], env);
    assert.equal(readdirSync(temporary), [], 'downloads are removed');
    return result;
  };
  return { server, output, pipeline, again, ...(await again()) };
}

test('a run downloads each series when its case starts, and resumes without downloading', async () => {
  const { server, output, again, pipeline, code, stdout, stderr } = await run(
    { query: { PatientID: 'SECRET-7' }, modality: 'CT' },
    pacs,
  );
  try {
    assert.is(code, 0, stderr);
    const [name, ...others] = readdirSync(output).filter((file) => file.endsWith('.nii.gz'));
    assert.equal(others, []);
    assert.match(name, /^ct_s3_[0-9a-f]{8}_image\.nii\.gz$/);
    const { size, data } = await readVolume(join(output, name), { kind: 'image' });
    assert.equal(size, [4, 3, 3]);
    assert.is(data[4 * 3 * 2 + 5], 2000 + 10 + 1 - 24);
    assert.is(server.received[0].url.searchParams.get('PatientID'), 'SECRET-7');
    for (const { authorization } of server.received) assert.is(authorization, `Bearer ${token}`);
    const records = readdirSync(output, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.gz'))
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
    assert.not.match(stdout + stderr + records.join(), token);
    assert.match(records.join(), 'TEST_PACS_TOKEN');
    assert.match(readFileSync(join(output, 'timings.csv'), 'utf8'), /^case,fetch,load,nifti\n/);

    server.received.length = 0;
    assert.match((await again(['--resume', '--json'])).stdout, '"event":"caseSkipped"');
    assert.not.ok(server.received.some(({ url }) => /instances\/./.test(url.pathname)));
    Object.assign(pipeline.source.dicomweb, { missing: 'resample' });
    assert.match((await again(['--resume', '--json'])).stdout, /"event":"caseStart".*"reason":/);
  } finally {
    await server.stop();
  }
});

test('series that are no images are left out, and one with several volumes asks for a part', async () => {
  const { server, output, stderr, pipeline, again } = await run({ studies: ['1.2.3'] }, pacs);
  try {
    assert.match(stderr, /Series 1\.2\.3\.6 is a structured report \(SR\); it is left out\./);
    const failures = readFileSync(join(output, 'failures.csv'), 'utf8');
    assert.match(
      failures,
      /^mr_s3_[0-9a-f]{8},source,"Series 1\.2\.3\.5 holds 2 volumes, of which 2 are asked for/m,
    );
    assert.match(failures, /source\.part: ""temporalPosition 1"" or ""temporalPosition 2""/);
    assert.is(readdirSync(output).filter((file) => file.startsWith('ct_s3')).length, 1);
    Object.assign(pipeline.source.dicomweb, { modality: 'MR', part: 'temporalPosition 2' });
    const second = await again(['--overwrite']);
    assert.is(second.code, 0, second.stderr);
    Object.assign(pipeline.source.dicomweb, { modality: 'CT', part: undefined, maxBytes: '1KiB' });
    assert.match(
      (await again(['--overwrite'])).stderr,
      /has more than 1\.0 KiB, the most that is stored for a case\. Raise the limit/,
    );
  } finally {
    await server.stop();
  }
});

test('a slice that is damaged or missing fails its case alone', async () => {
  const { server, output, code } = await run({ studies: ['1.2.3'], series: 'all' }, (received) =>
    received.url.pathname.endsWith('/1.2.3.4.2')
      ? multipart(files.get('1.2.3.4.2')!.subarray(0, -4))
      : pacs(received),
  );
  await server.stop();
  assert.is(code, 2);
  assert.match(readFileSync(join(output, 'failures.csv'), 'utf8'), /^ct_s3_.*1\.2\.3\.4\.2\.dcm is cut off/m);
});

test('an interrupted run stops its downloads and removes what it had', async () => {
  const [folder, temporary] = [temporaryFolder(), temporaryFolder()];
  let asked: (() => void) | undefined;
  const downloading = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const server = await FakeServer.start((received) => {
    if (!received.url.pathname.endsWith('/1.2.3.4.2')) return pacs(received);
    // Half a file, and then nothing more.
    return (_, response) => {
      const { headers, body } = multipart(files.get('1.2.3.4.2')!);
      response.writeHead(200, headers);
      response.write(body.subarray(0, 400));
      asked?.();
    };
  });
  try {
    const file = join(folder, 'p.json');
    const source = { dicomweb: { url: server.url, studies: ['1.2.3'], modality: 'CT' } };
    const sinks = [{ nifti: { keys: 'image' } }];
    writeFileSync(
      file,
      JSON.stringify({ name: 'p', output: join(folder, 'out'), source, steps: ['load'], sinks }),
    );
    const { child, ended } = start(['run', file], { TMPDIR: temporary });
    await downloading;
    assert.is(readdirSync(temporary).length, 1);
    child.kill('SIGINT');
    await ended;
    assert.equal(readdirSync(temporary), []);
  } finally {
    await server.stop();
  }
});

test('a dry run lists cases without downloading them', async () => {
  const { server, stdout } = await run({ query: { StudyDate: 20260101 }, series: 'largest' }, pacs, [
    '--dry-run',
    '--show-identifiers',
  ]);
  await server.stop();
  assert.match(stdout, /SECRET-7_mr_s3_[0-9a-f]{8}: fetched when it starts/);
  assert.match(stdout, /what a case needs is known once it is fetched/);
  assert.not.ok(server.received.some(({ url }) => /instances\/./.test(url.pathname)));
});

test('a query without a match, and options that contradict each other, are refused', async () => {
  const { server, stderr, code } = await run({ studies: ['1.2.3'], modality: 'PT' }, pacs);
  await server.stop();
  assert.is(code, 1, stderr);
  assert.match(stderr, /lists 1 matching studies, and no series in them that is asked for/);
  const faultsOf = (given: object) =>
    dicomweb.configure({ url: 'http://a', ...given }).faults.map(({ message }) => message);
  assert.equal(faultsOf({ studies: ['1.2'] }), []);
  for (const given of [{}, { query: {} }, { studies: ['1.2'], query: { PatientID: '1' } }]) {
    assert.match(faultsOf(given).join(), 'either studies (a list of UIDs) or query');
  }
  assert.match(faultsOf({ studies: ['../..'] }).join(), 'a UID');
  assert.is(faultsOf({ query: { 'a&b': '1' } }).length, 1);
  for (const url of ['ftp://a', 'http://user:pass@a', 'pacs']) {
    const faults = faultsOf({ studies: ['1.2'], url });
    assert.ok(faults.length > 0, url);
    assert.not.match(faults.join(), 'pass@');
  }
  assert.match(
    faultsOf({ studies: ['1.2'], tokenEnv: 'eyJhbGciOi.J9' }).join(),
    'the name of an environment variable',
  );
});

test('plain iteration gives cases whose files are there', async () => {
  const server = await FakeServer.start(pacs);
  try {
    for await (const { files } of dicomweb({ url: server.url, studies: ['1.2.3'], modality: 'CT' })) {
      const { size } = await readVolume(files.image, { kind: 'image' });
      assert.equal(size, [4, 3, 3]);
    }
  } finally {
    await server.stop();
  }
});

test.run();
