import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VoxError } from '#src/errors.js';
import { listInstances, listSeries, listStudies } from '#src/formats/dicomweb/qido.js';
import { type Server, serverAt } from '#src/formats/dicomweb/server.js';
import { storeObject } from '#src/formats/dicomweb/stow.js';
import { downloadInstance } from '#src/formats/dicomweb/wado.js';
import { temporaryFolder } from '../../e2e/harness.js';
import { buildDicom, sliceSet } from '../dicom/buildDicom.js';
import { FakeServer, json, multipart, type Received, type Reply } from './fakeServer.js';

const slice = buildDicom(sliceSet(0));
const place = { study: '1.2.3', series: '1.2.3.4', instance: '1.2.3.4.1' };
const token = 'secret-token-4711';
process.env.TEST_PACS_TOKEN = token;

/** What a server that answers by `reply` got and made of `work`: its result, or the message of its error. */
async function against<T>(
  reply: (received: Received, count: number) => Reply,
  work: (server: Server) => Promise<T>,
  stallSeconds = 60,
): Promise<{ result: T | string; received: Received[] }> {
  const fake = await FakeServer.start(reply);
  try {
    const server = { ...serverAt(fake.url, 'TEST_PACS_TOKEN'), pauseSeconds: 0.01, stallSeconds };
    const result = await work(server).catch((error: Error) => {
      if (!(error instanceof VoxError)) throw error;
      assert.not.match(error.message, token);
      return error.message.replaceAll(fake.url, 'URL');
    });
    return { result, received: fake.received };
  } finally {
    await fake.stop();
  }
}

/** Downloads the slice with a quota of 10,000 bytes, and tells whether the file is whole. */
async function download(server: Server): Promise<string> {
  const file = join(temporaryFolder(), 'slice.dcm');
  const quota = { bytes: 10_000, left: 10_000 };
  try {
    await downloadInstance(server, place, file, quota);
  } catch (error) {
    assert.ok(!existsSync(file) || readFileSync(file).length < 10_000);
    throw error;
  }
  assert.is(quota.left, 10_000 - slice.length);
  return readFileSync(file).equals(slice) ? 'the slice' : 'something else';
}

const store = (server: Server) =>
  storeObject(server, { study: '1.2.3', sopInstance: '1.9', bytes: slice }, 'the seg');

test('an instance is downloaded, as a part of a message or alone, with the token', async () => {
  for (const reply of [multipart(slice), { headers: { 'Content-Type': 'application/dicom' }, body: slice }]) {
    const { result, received } = await against(() => reply, download);
    assert.is(result, 'the slice');
    assert.equal(
      received.map(({ method, url, authorization }) => [method, url.pathname, authorization]),
      [['GET', '/dicom-web/studies/1.2.3/series/1.2.3.4/instances/1.2.3.4.1', `Bearer ${token}`]],
    );
  }
});

test('refusals are errors that name the request and what to do, at once', async () => {
  for (const [status, message] of [
    [
      401,
      /^URL answers 401 Unauthorized to the request for instance .*does not accept the token in TEST_PACS_TOKEN/,
    ],
    [403, /^URL answers 403 Forbidden .*does not permit that to the token in TEST_PACS_TOKEN/],
    [404, /^URL answers 404 Not Found .*it has nothing there\. Check the address/],
    [406, /^URL answers 406 .*cannot send DICOM in the form/],
    [418, /^URL answers 418 .*the request was refused/],
    [302, /^URL answers 302 .*the request was refused/],
  ] as const) {
    const { result, received } = await against(() => ({ status }), download);
    assert.match(result, message);
    assert.is(received.length, 1);
  }
});

test('a server that repeats the token does not bring it into messages', async () => {
  const reply: Reply = (_, response) => {
    response.writeHead(400, token, { 'Content-Type': token });
    response.end(token);
  };
  const { result } = await against(() => reply, download);
  assert.match(result, /^URL answers 400 Bad Request to the request/);
});

test('attempts that may pass are repeated, up to four in all', async () => {
  const cut = multipart(slice);
  const half = cut.body.subarray(0, cut.body.length / 2);
  const failures: Reply[] = [
    { status: 503 },
    { status: 429, headers: { 'Retry-After': '0.01' } },
    { ...cut, body: half },
    (_, response) => response.destroy(),
    (_, response) => {
      response.writeHead(200, { ...cut.headers, 'Content-Length': String(cut.body.length) });
      response.write(half, () => response.destroy());
    },
  ];
  for (const failure of failures) {
    const { result, received } = await against((_, count) => (count < 4 ? failure : cut), download);
    assert.is(result, 'the slice');
    assert.is(received.length, 4);
  }
  const silent: Reply[] = [
    // Sends no more, and keeps the connection open.
    (_, response) => {
      response.writeHead(200, cut.headers);
      response.write(half);
    },
    () => {},
  ];
  for (const failure of silent) {
    // Silence of 2 s may be a busy machine, so there may be more attempts than two.
    const { result, received } = await against((_, count) => (count < 2 ? failure : cut), download, 2);
    assert.is(result, 'the slice');
    assert.ok(received.length >= 2);
  }
  const { result, received } = await against(() => ({ status: 503 }), download);
  assert.is(
    result,
    'URL did not answer the request for instance 1.2.3.4.1, in 4 attempts: the server answers 503 Service Unavailable. Try ' +
      'again later.',
  );
  assert.is(received.length, 4);
});

test('a server that is not there is an error in a sentence', async () => {
  const fake = await FakeServer.start(() => ({}));
  const server = { ...serverAt(fake.url), pauseSeconds: 0.01 };
  await fake.stop();
  const message = await download(server).catch((error: Error) => error.message);
  assert.match(
    message,
    /in 4 attempts: the server cannot be reached \(.*ECONNREFUSED.*\)\. Try again later\.$/,
  );
});

test('bodies are bounded, and other types and contents refused', async () => {
  const endless: Reply = (_, response) => {
    response.writeHead(200, { 'Content-Type': 'multipart/related; type="application/dicom"; boundary=edge' });
    const send = () => {
      while (response.write(Buffer.alloc(4096))) if (response.destroyed) return;
    };
    response.write('--edge\r\n\r\n');
    response.on('drain', send);
    send();
  };
  const typed = (type: string): Reply => ({ headers: { 'Content-Type': type }, body: '<html>log in</html>' });
  const other = buildDicom(sliceSet(1));
  const lying = multipart(slice);
  const lie = lying.body.toString('latin1').replace(/Content-Length: \d+/, 'Content-Length: 99999999');
  for (const [reply, message] of [
    [endless, /^Series 1\.2\.3\.4 of URL has more than 9\.8 KiB, the most that is stored for a case/],
    [
      typed('text/html; charset=utf-8'),
      /with text\/html; charset=utf-8, but .* It is a web page, maybe one to log in/,
    ],
    [typed('application/octet-stream'), /with application\/octet-stream, but multipart\/related/],
    [
      typed('multipart/related; type="application/dicom"'),
      /but multipart\/related of application\/dicom was expected/,
    ],
    [multipart(slice, slice), /sent more than one part for instance 1\.2\.3\.4\.1/],
    [multipart(other), /was asked for instance 1\.2\.3\.4\.1, but sent instance 1\.2\.3\.4\.2\./],
    [multipart(Buffer.from('no DICOM')), /but sent something that is not DICOM\./],
    [multipart(Buffer.alloc(0)), /but sent something that is not DICOM\./],
    [multipart(), /in 4 attempts: the server .*\. Try again later/],
    [
      { headers: lying.headers, body: Buffer.from(lie, 'latin1') },
      /but its Content-Length says 99999999\. Try again later/,
    ],
  ] as const) {
    assert.match((await against(() => reply, download)).result, message);
  }
});

test('a redirect to another server does not get the token, and data is not sent there', async () => {
  const elsewhere = await FakeServer.start(() => multipart(slice));
  const redirect = (status: number, to: string): Reply => ({ status, headers: { Location: to } });
  try {
    const there = `${elsewhere.url}/stored`;
    assert.is((await against(() => redirect(302, there), download)).result, 'the slice');
    assert.equal(
      elsewhere.received.map(({ authorization }) => authorization),
      [undefined],
    );
    const { result } = await against(() => redirect(307, there), store);
    assert.match(
      String(result),
      /redirects to "http.*\/stored", but data is sent only to the server that was given/,
    );
    assert.is(elsewhere.received.length, 1);
  } finally {
    await elsewhere.stop();
  }
  const { result, received } = await against(
    ({ url }) => (url.pathname === '/moved' ? multipart(slice) : redirect(301, '/moved')),
    download,
  );
  assert.is(result, 'the slice');
  assert.equal(
    received.map(({ authorization }) => authorization),
    [`Bearer ${token}`, `Bearer ${token}`],
  );
  const circle = await against(() => redirect(302, '/again'), download);
  assert.match(circle.result, /redirects more than 10 times/);
});

test('results are listed page by page, also if the server ignores the offset', async () => {
  const all = Array.from({ length: 25 }, (_, i) => ({ '00080018': `1.2.${i}`, '00080016': '1.2.840' }));
  const paged = await against(
    ({ url }) => {
      const from = Number(url.searchParams.get('offset'));
      return json(...all.slice(from, from + 10));
    },
    (server) => listInstances(server, place),
  );
  assert.is((paged.result as readonly unknown[]).length, 25);
  assert.is(paged.received.length, 4);
  const whole = await against(
    () => json(...all),
    (server) => listInstances(server, place),
  );
  assert.equal(whole.result, paged.result);
  const none = await against(
    () => ({ status: 204 }),
    (server) => listStudies(server, { PatientID: 'A & B' }),
  );
  assert.equal(none.result, []);
  assert.is(none.received[0].url.searchParams.get('PatientID'), 'A & B');
  const series = await against(
    () =>
      json({ '0020000E': '1.5', '00080060': 'CT', '00200011': 3 }, { '0020000E': '1.6', '00080060': 'SR' }),
    (server) => listSeries(server, '1.2.3', 'CT'),
  );
  assert.equal(series.result, [
    { study: '1.2.3', series: '1.5', modality: 'CT', number: '3', patientId: undefined },
  ]);
});

test('lists that are no lists, and UIDs that lead elsewhere, are refused', async () => {
  const asJson = (body: string): Reply => ({ headers: { 'Content-Type': 'application/json' }, body });
  for (const [reply, message] of [
    [json({ '0020000D': '../../etc/passwd' }), /listed studies, one of them without a valid UID/],
    [json({}), /one of them without a valid UID/],
    [asJson('<html>'), /with JSON that is damaged or not of DICOM/],
    [asJson('[1, 2]'), /with JSON that is damaged or not of DICOM/],
    [asJson('{"0020000D": "1.2"}'), /with JSON that is damaged or not of DICOM/],
    [
      { headers: { 'Content-Type': 'text/html' }, body: '' },
      /with text\/html, but application\/dicom\+json was expected/,
    ],
    [{ body: '[]' }, /with no Content-Type, but/],
  ] as const) {
    const { result } = await against(
      () => reply,
      (server) => listStudies(server, {}),
    );
    assert.match(String(result), message);
  }
});

test('an object is stored as one part, and the confirmation is read', async () => {
  const answer = (sequences: Readonly<Record<string, unknown>>, status = 200): Reply => ({
    ...json(sequences),
    status,
  });
  const item = (extra: object = {}, uid = '1.9') => ({ '00081155': { Value: [uid] }, ...extra });
  const reason = (tag: string, code: number) => ({ [tag]: { Value: [code] } });
  const { result, received } = await against(() => answer({ '00081199': item() }), store);
  assert.equal(result, []);
  assert.is(received[0].method, 'POST');
  assert.is(received[0].url.pathname, '/dicom-web/studies/1.2.3');
  assert.ok(received[0].body.includes(slice));
  for (const [reply, expected] of [
    [
      answer({ '00081199': item(reason('00081196', 0xb000)) }, 202),
      /with a warning: it changed some of its values \(0xB000\)/,
    ],
    // Another attempt stored it before.
    [answer({ '00081198': item(reason('00081197', 0x0111)) }, 409), /^$/],
    [
      answer({ '00081198': item(reason('00081197', 0x0122)) }, 409),
      /^URL did not store the seg: it does not store objects of this kind \(SOP class\) \(0x0122\)\./,
    ],
    [
      answer({ '00081198': item(reason('00081197', 0xa701)) }, 202),
      /did not store the seg: it is out of resources \(0xA701\)/,
    ],
    [answer({ '00081198': item() }, 409), /did not store the seg: it gives no reason/],
    // Another instance was stored, but not this one.
    [answer({ '00081199': item({}, '1.8') }), /answered 200 .* does not say that it has instance 1\.9/],
    [answer({}), /answered 200 .* does not say that it has instance 1\.9/],
    [
      { status: 200, headers: { 'Content-Type': 'text/html' } },
      /with text\/html, but application\/dicom\+json/,
    ],
    [{ status: 413 }, /^URL answers 413 .*to the request for storing the seg/],
  ] as const) {
    const { result } = await against(() => reply, store);
    assert.match(String(result), expected);
  }
  const later = await against(
    (_, count) => (count < 3 ? { status: 503 } : answer({ '00081199': item() })),
    store,
  );
  assert.equal(later.result, []);
  const [first, ...others] = later.received;
  // The same boundary and bytes: a repeated attempt is the same request.
  for (const { body } of others) assert.ok(body.equals(first.body));
});

test('a token comes from a variable that is set and can be sent', () => {
  process.env.TEST_BASIC = 'Basic dXNlcjpwYXNz';
  assert.is(serverAt('http://a/', 'TEST_BASIC').authorization, 'Basic dXNlcjpwYXNz');
  assert.is(serverAt('http://a//', 'TEST_BASIC').url, 'http://a');
  assert.throws(() => serverAt('http://a', 'TEST_UNSET'), /variable TEST_UNSET \(tokenEnv\) is not set/);
  process.env.TEST_BROKEN = 'geheim\r\nX: y';
  assert.throws(
    () => serverAt('http://a', 'TEST_BROKEN'),
    (error: Error) => /TEST_BROKEN.*holds line breaks/.test(error.message) && !/geheim/.test(error.message),
  );
});

test.run();
