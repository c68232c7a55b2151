import { createWriteStream, existsSync } from 'node:fs';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream as WebStream } from 'node:stream/web';
import { setTimeout as wait } from 'node:timers/promises';
import { ModelError, messageOf, show, showBytes } from '../errors.js';
import { type HeldLock, isAbandoned, takeLock } from '../fileLock.js';
import { makeFolder, partialSuffix, writeFault } from '../formats/aside.js';
import { request } from '../formats/request.js';
import { type Checksum, checksumNames, checksumOf } from './checksum.js';

export interface DownloadOptions {
  readonly url: string;
  /** Where the file goes. Until it is complete, it is stored there with the suffix `.partial`. */
  readonly file: string;
  /** Undefined: none is known, and any content is accepted that is not a web page. */
  readonly checksum: Checksum | undefined;
  /** What states the checksum and the size, for messages. Default: `the registry`. */
  readonly statedBy?: string;
  /** The file's size in bytes, where it is known. A file of another size is refused, and never stored. */
  readonly size?: number;
  /** Called with the bytes received so far, and the total if the server gives it. */
  readonly onProgress?: (done: number, total: number | undefined) => void;
  /** Seconds without data after which the connection counts as lost. Default: 60. */
  readonly stallSeconds?: number;
  /** Seconds before the first retry, doubled with each further one. Default: 1. */
  readonly pauseSeconds?: number;
}

/** Attempts in a row that may end without new data. */
const mostAttempts = 4;

/** The largest file to store when neither the caller nor the server says how large the file is. */
const mostBytes = 32 * 2 ** 30;

/** The server cannot be reached. The file may be available in another way. */
export class OfflineError extends ModelError {}

/** One attempt failed. A retry may succeed. */
class LostConnection extends Error {
  /** Whether the server had answered, in whatever way. */
  readonly answered: boolean;

  constructor(message: string, { answered, cause }: { answered: boolean; cause?: unknown }) {
    super(message, { cause });
    this.answered = answered;
  }
}

/**
 * Downloads a file over HTTP and checks its checksum. The file appears complete and checked, or not at all.
 *
 * When the connection is lost, the download continues where it stopped; so does a later call after this
 * process was killed. This requires a server that supports ranges and sends an ETag or Last-Modified to
 * identify the file. If another process downloads the same file, this one waits and uses its result.
 *
 * Source: RFC 9110, sections 13.1.5 (If-Range) and 14 (Range).
 *
 * @throws OfflineError when the server cannot be reached; ModelError when it refuses the request, redirects
 * to an address that is not followed, sends a compressed file, a file of another size or with another
 * checksum, or when the connection is lost repeatedly; DataError when the file cannot be written.
 */
export async function download(options: DownloadOptions): Promise<void> {
  const { file } = options;
  await makeFolder(dirname(file)).catch((error) => {
    throw writeFault(file, error);
  });
  const lock = await waitForLock(file).catch((error) => {
    throw writeFault(file, error);
  });
  try {
    if (!existsSync(file)) await downloadAlone(options, lock.lost);
  } finally {
    await lock.release();
  }
}

/** Takes the lock of a file as soon as no living process holds it. */
async function waitForLock(file: string): Promise<HeldLock> {
  const patience = { update: 5_000, stale: 10_000 };
  for (;;) {
    const taken = await takeLock(file, patience.update);
    if (taken) return taken;
    await isAbandoned(file, patience);
  }
}

/** @param lost Aborted when another process takes the download over. */
async function downloadAlone(options: DownloadOptions, lost: AbortSignal): Promise<void> {
  const { file, pauseSeconds = 1, url } = options;
  const partial = `${file}${partialSuffix}`;
  for (let failures = 0; ; ) {
    const before = await sizeOf(partial);
    try {
      await fetchRest(options, partial, lost);
      break;
    } catch (error) {
      if (!(error instanceof LostConnection)) throw error;
      const here = await sizeOf(partial);
      failures = here > before ? 1 : failures + 1;
      if (failures >= mostAttempts) throw failure(error, url, partial, here);
      await wait(pauseSeconds * 1000 * 2 ** (failures - 1));
    }
  }
  await checkContent(options, partial);
  await rename(partial, file).catch((error) => {
    throw writeFault(file, error);
  });
  await forget(partial);
}

async function checkContent(
  { url, checksum, statedBy = 'the registry' }: DownloadOptions,
  partial: string,
): Promise<void> {
  if (!checksum) return;
  const found = await checksumOf(partial, checksum.algorithm);
  if (found === checksum.value.toLowerCase()) return;
  await forget(partial);
  throw new ModelError(
    `The file from ${url} has the ${checksumNames[checksum.algorithm]} ${found}, but it must be ` +
      `${checksum.value}. It was removed: it was damaged on the way, or the server has another file now. ` +
      `Try again; if the error stays, ${statedBy} is out of date.`,
  );
}

/** The error for the last attempt, when `here` bytes are stored. */
function failure(error: LostConnection, url: string, partial: string, here: number): ModelError {
  const { host } = new URL(url);
  const { message, answered } = error;
  if (here > 0) {
    return new ModelError(
      `The connection to ${host} was lost: ${message}. ${showBytes(here)} of the file are in ${partial}; ` +
        'the same command continues from there.',
      { cause: error },
    );
  }
  return answered
    ? new ModelError(`${host} did not send the file: ${message}. Try again later.`, { cause: error })
    : new OfflineError(`${host} cannot be reached: ${message}.`, { cause: error });
}

/** One attempt: requests the missing part and appends it to the part that exists. */
async function fetchRest(options: DownloadOptions, partial: string, lost: AbortSignal): Promise<void> {
  const { url, size, onProgress, stallSeconds = 60, statedBy = 'the registry' } = options;
  const mark = await readMark(partial, url);
  let start = mark ? await sizeOf(partial) : 0;
  let answered = false;
  const abort = new AbortController();
  const stop = () => abort.abort(new LostConnection(`no data arrived for ${stallSeconds} s`, { answered }));
  let timer = setTimeout(stop, stallSeconds * 1000);
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(stop, stallSeconds * 1000);
  };
  try {
    const range = start > 0 && mark ? { Range: `bytes=${start}-`, 'If-Range': mark } : undefined;
    // Ask for the bytes of the file itself: a part of a compressed response cannot be continued.
    const response = await request(url, {
      headers: { 'Accept-Encoding': 'identity', ...range },
      signal: abort.signal,
      refuse: (message) => new ModelError(message),
    });
    answered = true;
    const fault = refusal(url, response) ?? rangeFault(response, start) ?? contentFault(options, response);
    if (fault) {
      await response.body?.cancel();
      if (response.ok || response.status === 416) await forget(partial);
      throw fault;
    }
    if (response.status !== 206) start = 0;
    const total = totalOf(response);
    if (start === 0) await writeMark(partial, url, response);
    // The types of the web's streams in Node and in TypeScript's library differ; the streams are the same.
    const body = Readable.fromWeb(response.body as WebStream);
    const most = total ?? size ?? mostBytes;
    await save(body, partial, start, (done) => {
      alive();
      if (lost.aborted) throw takenOver(partial);
      if (done > most) throw tooLong(url, most, total === undefined && size === undefined, statedBy);
      onProgress?.(done, total);
    });
    const here = await sizeOf(partial);
    const expected = total ?? size;
    if (expected !== undefined && here !== expected) {
      throw new LostConnection(`it ended after ${here} of ${expected} bytes`, { answered });
    }
  } catch (error) {
    if (error instanceof TooLong) await forget(partial);
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
    // Errors of the HTTP parser: an answer arrived, but it is not HTTP. From Node 26 on they have no code.
    answered ||= cause?.name === 'HTTPParserError';
    throw new LostConnection(why, { answered, cause: error });
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

/** The error when this process did not renew its lock for too long, e.g. because it was suspended. */
function takenOver(partial: string): ModelError {
  return new ModelError(
    `Another process continues the download to ${partial}, or its lock was removed. The same command waits for ` +
      'it and uses the file.',
  );
}

/** The server sends more than the file. */
class TooLong extends ModelError {}

function tooLong(url: string, most: number, isGuess: boolean, statedBy: string): TooLong {
  return new TooLong(
    isGuess
      ? `${url} does not say how large it is, and sends more than ${showBytes(most)}. It was removed. Add ` +
          `the size of the file to ${statedBy}.`
      : `${url} sends more than the ${most} bytes that it should have. It was removed: the server has ` +
          'another file now, or never ends.',
  );
}

/** The size of the whole file in bytes, as the response states it. */
function totalOf({ status, headers }: Response): number | undefined {
  const stated =
    status === 206
      ? /^bytes \d+-\d+\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1]
      : headers.get('content-length');
  return stated ? Number(stated) : undefined;
}

/** The error for a response with the wrong part of the file. */
function rangeFault({ status, headers }: Response, start: number): LostConnection | undefined {
  const given = headers.get('content-range');
  if (status !== 206 || (start > 0 && given?.startsWith(`bytes ${start}-`))) return undefined;
  return new LostConnection('the server sent another part of the file than requested', { answered: true });
}

/** The error for a response that is not the file as it is, or not a file of the expected size. */
function contentFault(
  { url, size, checksum, statedBy = 'the registry' }: DownloadOptions,
  response: Response,
): ModelError | undefined {
  const encoding = response.headers.get('content-encoding') ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') {
    return new ModelError(
      `${url} is sent compressed (Content-Encoding: ${show(encoding)}), although the plain file was ` +
        'requested. The server, or a proxy on the way, is set up wrongly for such files. Download the file yourself.',
    );
  }
  const total = totalOf(response);
  const type = response.headers.get('content-type') ?? '';
  const isPage = /^text\/html\b/i.test(type);
  if (isPage && !checksum) {
    return new ModelError(
      `${url} is a web page, probably one to log in or to confirm. Open it in a browser and download the file ` +
        'yourself.',
    );
  }
  if (size === undefined || total === undefined || total === size) return undefined;
  return new ModelError(
    `${url} has ${total} bytes, but ${statedBy} states ${size}. ` +
      (isPage
        ? 'It is a web page, probably one to log in or to report an error.'
        : `The server has another file now, or ${statedBy} is out of date.`),
  );
}

/** The error for an HTTP error status: one to retry, or a final one. */
function refusal(url: string, { status, statusText, ok, body }: Response): Error | undefined {
  const said = `${status}${statusText ? ` ${statusText}` : ''}`;
  if (status === 416)
    return new LostConnection('the server does not have that part of the file', { answered: true });
  if (status === 408 || status === 429 || status >= 500)
    return new LostConnection(`the server answers ${said}`, { answered: true });
  if (ok && body) return undefined;
  const why =
    status === 404 || status === 410 ? 'the file no longer exists' : 'the server does not send the file';
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
