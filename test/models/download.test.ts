import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '#src/errors.js';
import { type DownloadOptions, download, OfflineError } from '#src/models/download.js';
import { temporaryFolder } from '../e2e/harness.js';
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
  assert.match(
    (await fault(options())).message,
    /answers 403 Forbidden: the server refuses to send the file/,
  );
  assert.is(server.ranges.length, 2);
});

test('a server that cannot be reached is told from one that refuses', async () => {
  const gone = await FileServer.start(content);
  const { url } = gone;
  await gone.stop();
  const error = await fault(options({ url }));
  assert.instance(error, OfflineError);
  assert.match(error.message, /^127\.0\.0\.1:\d+ cannot be reached: connect ECONNREFUSED/);
  assert.instance(await fault(options({ url: 'http://no.such.host.invalid/weights.pt' })), OfflineError);
});

test.run();
