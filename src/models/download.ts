import { createWriteStream } from 'node:fs';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream as WebStream } from 'node:stream/web';
import { setTimeout as wait } from 'node:timers/promises';
import { ModelError, messageOf, showBytes } from '../errors.js';
import { makeFolder, partialSuffix, writeFault } from '../formats/aside.js';
import { type Checksum, checksumNames, checksumOf } from './checksum.js';

export interface DownloadOptions {
  readonly url: string;
  /** Where the file goes. Until it is complete, it is stored there with the suffix `.partial`. */
  readonly file: string;
  readonly checksum: Checksum;
  /** Called with the bytes received so far, and the total if the server gives it. */
  readonly onProgress?: (done: number, total: number | undefined) => void;
  /** Seconds without data after which the connection counts as lost. Default: 60. */
  readonly stallSeconds?: number;
  /** Seconds before the first retry, doubled with each further one. Default: 1. */
  readonly pauseSeconds?: number;
}

/** Attempts in a row that may end without new data. */
const mostAttempts = 4;

/** The server cannot be reached. The file may be available in another way. */
export class OfflineError extends ModelError {}

/** One attempt failed. A retry may succeed. */
class LostConnection extends Error {}

/**
 * Downloads a file over HTTP and checks its checksum. The file appears complete and checked, or not at all.
 *
 * When the connection is lost, the download continues where it stopped; so does a later call after this
 * process was killed. This requires a server that supports ranges and sends an ETag or Last-Modified to
 * identify the file.
 *
 * Source: RFC 9110, sections 13.1.5 (If-Range) and 14 (Range).
 *
 * @throws OfflineError when the server cannot be reached; ModelError when it refuses the request, when the
 * connection is lost repeatedly, or when the checksum differs; DataError when the file cannot be written.
 */
export async function download(options: DownloadOptions): Promise<void> {
  const { url, file, checksum, pauseSeconds = 1 } = options;
  const partial = `${file}${partialSuffix}`;
  await makeFolder(dirname(file)).catch((error) => {
    throw writeFault(file, error);
  });
  for (let failures = 0; ; ) {
    const before = await sizeOf(partial);
    try {
      await fetchRest(options, partial);
      break;
    } catch (error) {
      if (!(error instanceof LostConnection)) throw error;
      const here = await sizeOf(partial);
      failures = here > before ? 1 : failures + 1;
      if (failures < mostAttempts) {
        await wait(pauseSeconds * 1000 * 2 ** (failures - 1));
        continue;
      }
      if (here === 0) {
        throw new OfflineError(`${new URL(url).host} cannot be reached: ${error.message}.`, { cause: error });
      }
      throw new ModelError(
        `The connection to ${new URL(url).host} was lost: ${error.message}. ${showBytes(here)} of the file ` +
          `are in ${partial}; the same command continues from there.`,
        { cause: error },
      );
    }
  }
  const found = await checksumOf(partial, checksum.algorithm);
  if (found !== checksum.value.toLowerCase()) {
    await forget(partial);
    throw new ModelError(
      `The file from ${url} has the ${checksumNames[checksum.algorithm]} ${found}, but it must be ` +
        `${checksum.value}. It was removed: it was damaged on the way, or the server has another file now. ` +
        'Try again; if the error stays, the registry is out of date.',
    );
  }
  await rename(partial, file).catch((error) => {
    throw writeFault(file, error);
  });
  await forget(partial);
}

/** One attempt: requests the missing part and appends it to the part that exists. */
async function fetchRest(
  { url, onProgress, stallSeconds = 60 }: DownloadOptions,
  partial: string,
): Promise<void> {
  const mark = await readMark(partial, url);
  let start = mark ? await sizeOf(partial) : 0;
  const abort = new AbortController();
  const stalled = new LostConnection(`no data arrived for ${stallSeconds} s`);
  let timer = setTimeout(() => abort.abort(stalled), stallSeconds * 1000);
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(stalled), stallSeconds * 1000);
  };
  try {
    const range = start > 0 && mark ? { Range: `bytes=${start}-`, 'If-Range': mark } : undefined;
    // Ask for the bytes of the file itself: a part of a compressed response cannot be continued.
    const headers = { 'Accept-Encoding': 'identity', ...range };
    const response = await fetch(url, { headers, signal: abort.signal });
    if (response.status === 416) {
      await forget(partial);
      throw new LostConnection('the server does not have that part of the file');
    }
    if (!response.ok || !response.body) {
      await response.body?.cancel();
      throw refusal(url, response);
    }
    if (response.status !== 206) start = 0;
    else if (!response.headers.get('content-range')?.startsWith(`bytes ${start}-`)) {
      await forget(partial);
      await response.body.cancel();
      throw new LostConnection('the server sent another part of the file than requested');
    }
    const length = Number(response.headers.get('content-length') ?? Number.NaN);
    const total = Number.isFinite(length) ? start + length : undefined;
    if (start === 0) await writeMark(partial, url, response);
    // The types of the web's streams in Node and in TypeScript's library differ; the streams are the same.
    const body = Readable.fromWeb(response.body as WebStream);
    await save(body, partial, start, (done) => {
      alive();
      onProgress?.(done, total);
    });
    const here = await sizeOf(partial);
    if (total !== undefined && here !== total)
      throw new LostConnection(`it ended after ${here} of ${total} bytes`);
  } catch (error) {
    if (error instanceof ModelError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (/^E(NOSPC|DQUOT|ROFS|ACCES|PERM|IO|FBIG|MFILE|ISDIR|NOTDIR)$/.test(code))
      throw writeFault(partial, error);
    if (error instanceof LostConnection) throw error;
    const { cause } = error as { cause?: NodeJS.ErrnoException };
    const why = messageOf(cause ?? error);
    if (start === 0 && /^(ENOTFOUND|ECONNREFUSED|ENETUNREACH|EHOSTUNREACH)$/.test(cause?.code ?? '')) {
      throw new OfflineError(`${new URL(url).host} cannot be reached: ${why}.`, { cause: error });
    }
    throw new LostConnection(why, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

async function save(
  body: Readable,
  partial: string,
  start: number,
  onProgress: (done: number) => void,
): Promise<void> {
  let done = start;
  const counted = async function* (chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      done += chunk.length;
      onProgress(done);
      yield chunk;
    }
  };
  await pipeline(body, counted, createWriteStream(partial, { flags: start > 0 ? 'a' : 'w', flush: true }));
}

/** The error for an HTTP error status: one to retry, or a final one. */
function refusal(url: string, { status, statusText }: Response): Error {
  const said = `${status}${statusText ? ` ${statusText}` : ''}`;
  if (status === 408 || status === 429 || status >= 500)
    return new LostConnection(`the server answers ${said}`);
  const why =
    status === 404 || status === 410 ? 'the file no longer exists' : 'the server refuses to send the file';
  return new ModelError(`${url} answers ${said}: ${why}.`);
}

const markOf = (partial: string) => `${partial}.json`;

/** The ETag or date of the file that a part belongs to; undefined when none is stored for this address. */
async function readMark(partial: string, url: string): Promise<string | undefined> {
  try {
    const noted = JSON.parse(await readFile(markOf(partial), 'utf8'));
    return noted.url === url && typeof noted.mark === 'string' ? noted.mark : undefined;
  } catch {
    return undefined; // missing or incomplete: the download starts again
  }
}

async function writeMark(partial: string, url: string, { headers }: Response): Promise<void> {
  const etag = headers.get('etag');
  // A weak ETag does not guarantee the same bytes.
  const mark = etag && !etag.startsWith('W/') ? etag : headers.get('last-modified');
  await rm(partial, { force: true });
  await writeFile(markOf(partial), JSON.stringify({ url, mark }));
}

async function forget(partial: string): Promise<void> {
  await rm(partial, { force: true });
  await rm(markOf(partial), { force: true });
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}
