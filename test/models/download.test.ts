import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '#src/errors.js';
import { type DownloadOptions, download, OfflineError } from '#src/models/download.js';
import { temporaryFolder } from '../e2e/harness.js';
import { program, testNeeding } from '../needs.js';
import { FileServer } from './fileServer.js';

const content = Buffer.alloc(300_000, 'voxstream ');
const md5 = createHash('md5').update(content).digest('hex');
const server = await FileServer.start(content);
test.after(() => server.stop());
test.before.each(() => {
  server.ranges.length = 0;
  server.behaviours = [];
});

function options(more: Partial<DownloadOptions> = {}): DownloadOptions {
  const file = join(temporaryFolder(), 'deep/weights.pt');
  server.partial = `${file}.partial`;
  return { url: server.url, file, checksum: { algorithm: 'md5', value: md5 }, pauseSeconds: 0.01, ...more };
}

async function fault(given: DownloadOptions): Promise<Error> {
  const error = await download(given).then(
    () => new Error('nothing was thrown'),
    (thrown) => thrown,
  );
  assert.instance(error, ModelError, error.stack);
  return error;
}

/** A key and a certificate for a server on this machine. */
function selfSigned() {
  const folder = temporaryFolder();
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(folder, name));
  const certificate = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1'];
  execFileSync('openssl', ['req', ...certificate, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return { key: readFileSync(key), cert: readFileSync(cert) };
}

/** The file is whole, and nothing else is left beside it. */
function assertWhole({ file }: DownloadOptions): void {
  assert.is(Buffer.compare(readFileSync(file), content), 0);
  assert.equal(readdirSync(dirname(file)), ['weights.pt']);
}

test('a file is downloaded completely, with progress', async () => {
  const told: [number, number | undefined][] = [];
  const given = options({ onProgress: (done, total) => told.push([done, total]) });
  await download(given);
  assertWhole(given);
  assert.equal(told.at(-1), [300_000, 300_000]);
  assert.equal(server.ranges, [undefined]);
});

test('a download continues where the connection was lost', async () => {
  server.behaviours = [{ cutAfter: 100_000 }, { status: 503 }, { cutAfter: 50_000 }];
  const given = options();
  await download(given);
  assertWhole(given);
  assert.equal(server.ranges, [undefined, 'bytes=100000-', 'bytes=100000-', 'bytes=150000-']);
});

test('a later download continues where an earlier one failed', async () => {
  server.behaviours = [{ cutAfter: 120_000 }, ...Array(3).fill({ status: 500 })];
  const given = options();
  assert.match(
    (await fault(given)).message,
    /^The connection to 127\.0\.0\.1:\d+ was lost: the server answers 500 .*117\.2 KiB of the file are in .*weights\.pt\.partial; the same/,
  );
  assert.not.ok(existsSync(given.file));
  server.ranges.length = 0;
  await download(given);
  assertWhole(given);
  assert.equal(server.ranges, ['bytes=120000-']);
});

test('a download starts again when the file changed, or the server does not support ranges', async () => {
  for (const second of [{ etag: '"two"' }, { ignoreRange: true }, { status: 416 }]) {
    server.behaviours = [{ cutAfter: 100_000 }, second];
    const given = options();
    await download(given);
    assertWhole(given);
  }
});

test('a part is not reused when the server has no reliable ETag', async () => {
  server.behaviours = [{ cutAfter: 100_000, etag: 'W/"weak"' }];
  const given = options();
  await download(given);
  assertWhole(given);
  assert.equal(server.ranges, [undefined, undefined]);
});

test('a stalled connection counts as lost', async () => {
  server.behaviours = [{ stallAfter: 1000 }];
  const given = options({ stallSeconds: 1 });
  await download(given);
  assertWhole(given);
  assert.ok(server.ranges.length >= 2, 'the file was requested again');
});

test('a file with a wrong checksum is removed', async () => {
  const given = options({ checksum: { algorithm: 'sha256', value: 'ab'.repeat(32) } });
  const { message } = await fault(given);
  const sha256 = createHash('sha256').update(content).digest('hex');
  assert.ok(message.includes(`weights.pt has the SHA-256 ${sha256}, but it must be abab`), message);
  assert.equal(readdirSync(dirname(given.file)), []);
});

test('a missing or forbidden file fails at once', async () => {
  server.behaviours = [{ status: 404 }, { status: 403 }];
  assert.match(
    (await fault(options())).message,
    /weights\.pt answers 404 Not Found: the file no longer exists\.$/,
  );
  assert.match((await fault(options())).message, /answers 403 Forbidden: the server does not send the file/);
  assert.is(server.ranges.length, 2);
});

test('a server that cannot be reached is distinguished from one that refuses', async () => {
  const gone = await FileServer.start(content);
  const { url } = gone;
  await gone.stop();
  const error = await fault(options({ url }));
  assert.instance(error, OfflineError);
  assert.match(error.message, /^127\.0\.0\.1:\d+ cannot be reached: connect ECONNREFUSED/);
  assert.instance(await fault(options({ url: 'http://no.such.host.invalid/weights.pt' })), OfflineError);
});

/** Checks the message of a refused download, and that nothing of it is stored. */
async function assertRefused(given: DownloadOptions, message: RegExp): Promise<void> {
  const { message: actual } = await fault(given);
  assert.match(actual, message);
  assert.not.match(actual, /cannot be reached/);
  assert.equal(readdirSync(dirname(given.file)), []);
}

test('an endless file is cut at the size that the registry states', async () => {
  server.behaviours = [{ endless: true }];
  const given = options({ size: 1000 });
  await assertRefused(
    given,
    /weights\.pt sends more than the 1000 bytes that it should have\. It was removed/,
  );
  assert.ok(server.sent < 64 * 2 ** 20, `the server could send ${server.sent} bytes`);
});

test('a file of another size than the registry states is refused before it is stored', async () => {
  await assertRefused(
    options({ size: 299_999 }),
    /weights\.pt has 300000 bytes, but the registry states 299999\./,
  );
  server.behaviours = [{ type: 'text/html; charset=utf-8' }];
  await assertRefused(
    options({ size: 10 }),
    /the registry states 10\. It is a web page, probably one to log in/,
  );
  const given = options({ size: 300_000 });
  await download(given);
  assertWhole(given);
});

test('a file that is too short is requested again, and then said to be short', async () => {
  server.behaviours = [{ endAfter: 1000 }];
  const given = options({ size: 300_000 });
  await download(given);
  assertWhole(given);
  assert.equal(server.ranges, [undefined, 'bytes=1000-']);

  server.behaviours = [{ endAfter: 1000 }, ...Array(3).fill({ endAfter: 0 })];
  const short = options({ size: 300_000 });
  assert.match(
    (await fault(short)).message,
    /^The connection to 127\.0\.0\.1:\d+ was lost: it ended after 1000 of 300000 bytes\. 1000 B of the file/,
  );
  server.behaviours = Array(4).fill({ endAfter: 0 });
  assert.match(
    (await fault(options({ size: 300_000 }))).message,
    /^127\.0\.0\.1:\d+ did not send the file: it ended after 0 of 300000 bytes\. Try again later\.$/,
  );
});

test('a compressed file is refused, and said to be one', async () => {
  server.behaviours = [{ gzip: true }];
  await assertRefused(
    options(),
    /weights\.pt is sent compressed \(Content-Encoding: "gzip"\), although the plain/,
  );
  assert.is(server.ranges.length, 1);
});

test('redirects are followed over http only, ten of them at most', async () => {
  server.behaviours = Array(10).fill({ redirect: '/other/place' });
  const given = options();
  await download(given);
  assertWhole(given);
  server.behaviours = Array(20).fill({ redirect: '/other/place' });
  await assertRefused(options(), /weights\.pt redirects more than 10 times: the server sends it in a circle/);
  for (const redirect of ['file:///etc/hostname', 'ftp://127.0.0.1/weights.pt', 'data:,abc']) {
    server.behaviours = [{ redirect }];
    await assertRefused(
      options(),
      new RegExp(`weights\\.pt redirects to "${redirect}", but only http and https are followed`),
    );
  }
  server.behaviours = [{ redirect: 'http://' }];
  await assertRefused(options(), /redirects to "http:\/\/", which is not an address/);
  server.behaviours = [{ redirect: server.url.replace('//', '//user:secret@') }];
  const { message } = await fault(options());
  assert.match(message, /holds a user name or a password, which is not supported/);
  assert.not.match(message, /secret/);
});

test('an answer that is not HTTP is not taken for a missing connection', async () => {
  const other = createTcpServer((socket) => socket.resume().end('SSH-2.0-OpenSSH_9.2\r\n'));
  await new Promise<void>((done) => other.listen(0, '127.0.0.1', done));
  const { port } = other.address() as AddressInfo;
  const error = await fault(options({ url: `http://127.0.0.1:${port}/weights.pt` }));
  await new Promise((done) => other.close(done));
  assert.not.instance(error, OfflineError);
  assert.match(error.message, /^127\.0\.0\.1:\d+ did not send the file: .*HTTP/);
});

testNeeding(program('openssl', 'openssl'), 'a redirect from https to http is refused', async () => {
  const { key, cert } = selfSigned();
  const secure = createTlsServer({ key, cert }, (_, response) => {
    response.writeHead(302, { Location: server.url }).end();
  });
  await new Promise<void>((done) => secure.listen(0, '127.0.0.1', done));
  const { port } = secure.address() as AddressInfo;
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  try {
    await assertRefused(
      options({ url: `https://127.0.0.1:${port}/weights.pt` }),
      /starts with https must not continue with http\./,
    );
  } finally {
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    secure.closeAllConnections();
    await new Promise((done) => secure.close(done));
  }
});

test('of two downloads of one file, one waits and uses the file of the other', async () => {
  server.behaviours = [{ cutAfter: 100_000 }];
  const given = options();
  await Promise.all([download(given), download(given), download(given)]);
  assertWhole(given);
  assert.is(server.ranges.length, 2, 'one download of two requests');
});

test.run();
