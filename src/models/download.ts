import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { ModelError, messageOf, showBytes } from '../errors.js';
import { partialSuffix, writeFault } from '../formats/aside.js';
import { type Checksum, checksumNames, checksumOf } from './checksum.js';

export interface DownloadOptions {
  readonly url: string;
  /** Where the file goes; what is there of it meanwhile is beside it, with `.partial` behind its name. */
  readonly file: string;
  readonly checksum: Checksum;
  /** Is told of the bytes that are here and of those there are in all, as far as the server says. */
  readonly onProgress?: (done: number, total: number | undefined) => void;
  /** Seconds without a byte after which a connection counts as lost. Default: 60. */
  readonly stallSeconds?: number;
  /** Seconds before the first new attempt; twice as many before each further one. Default: 1. */
  readonly pauseSeconds?: number;
}

/** How often in a row an attempt may bring nothing. */
const mostAttempts = 4;

/** A server that cannot be reached: what was asked for may be fetched in another way. */
export class OfflineError extends ModelError {}

/** A fault of one attempt: another one may succeed. */
class LostConnection extends Error {}

/**
 * Fetches a file over HTTP and checks it. When the connection is lost it goes on where it stopped, and so does a later call after
 * this one was given up or killed, if the server can give a part of a file and says by which mark (ETag, Last-Modified) the file
 * is the same. The file appears whole and checked, or not at all.
 *
 * Source: RFC 9110, sections 13.1.5 (If-Range) and 14 (Range).
 *
 * @throws OfflineError when the server is not reached; ModelError when it refuses, when the connection is lost again and again, or
 * when the checksum is another; DataError when the file cannot be written.
 */
export async function download(options: DownloadOptions): Promise<void> {
  const { url, file, checksum, pauseSeconds = 1 } = options;
  const partial = `${file}${partialSuffix}`;
  await mkdir(dirname(file), { recursive: true }).catch((error) => {
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
        throw new OfflineError(`${new URL(url).host} cannot be reached: ${error.message}.`);
      }
      throw new ModelError(
        `The connection to ${new URL(url).host} was lost: ${error.message}. ${showBytes(here)} of the file are in ${partial}; the ` +
          'same command goes on there.',
      );
    }
  }
  const found = await checksumOf(partial, checksum.algorithm);
  if (found !== checksum.value.toLowerCase()) {
    await forget(partial);
    throw new ModelError(
      `${url} gave a file whose ${checksumNames[checksum.algorithm]} is ${found}, but it must be ${checksum.value}. It was removed: ` +
        'it was damaged on its way, or is another one now. Try once more; if it stays, the registry is out of date.',
    );
  }
  await rename(partial, file).catch((error) => {
    throw writeFault(file, error);
  });
  await forget(partial);
}

/** One attempt: asks for what is missing and writes it behind what is there. */
async function fetchRest(
  { url, onProgress, stallSeconds = 60 }: DownloadOptions,
  partial: string,
): Promise<void> {
  const mark = await readMark(partial, url);
  let start = mark ? await sizeOf(partial) : 0;
  const abort = new AbortController();
  const stalled = new LostConnection(`nothing came for ${stallSeconds} s`);
  let timer = setTimeout(() => abort.abort(stalled), stallSeconds * 1000);
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(stalled), stallSeconds * 1000);
  };
  try {
    const range = start > 0 && mark ? { Range: `bytes=${start}-`, 'If-Range': mark } : undefined;
    // The bytes of the file itself are wanted, for a part of a compressed file is of no use.
    const headers = { 'Accept-Encoding': 'identity', ...range };
    const response = await fetch(url, { headers, signal: abort.signal });
    if (response.status === 416) {
      await forget(partial);
      throw new LostConnection('the server has no such part of the file');
    }
    if (!response.ok || !response.body) {
      await response.body?.cancel();
      throw refusal(url, response);
    }
    if (response.status !== 206) start = 0;
    else if (!response.headers.get('content-range')?.startsWith(`bytes ${start}-`)) {
      await forget(partial);
      await response.body.cancel();
      throw new LostConnection('the server gave another part of the file than was asked for');
    }
    const length = Number(response.headers.get('content-length') ?? Number.NaN);
    const total = Number.isFinite(length) ? start + length : undefined;
    if (start === 0) await writeMark(partial, url, response);
    await save(Readable.fromWeb(response.body as never), partial, start, (done) => {
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
      throw new OfflineError(`${new URL(url).host} cannot be reached: ${why}.`);
    }
    throw new LostConnection(why);
  } finally {
    clearTimeout(timer);
  }
}

async function save(
  body: Readable,
  partial: string,
  start: number,
  told: (done: number) => void,
): Promise<void> {
  let done = start;
  const counted = async function* (chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      done += chunk.length;
      told(done);
      yield chunk;
    }
  };
  await pipeline(body, counted, createWriteStream(partial, { flags: start > 0 ? 'a' : 'w', flush: true }));
}

/** The error for a status other than success: one that may pass, or one that stays. */
function refusal(url: string, { status, statusText }: Response): Error {
  const said = `${status}${statusText ? ` ${statusText}` : ''}`;
  if (status === 408 || status === 429 || status >= 500) return new LostConnection(`it answers ${said}`);
  const why =
    status === 404 || status === 410
      ? 'the file is not there any more'
      : 'it does not give the file to this machine';
  return new ModelError(`${url} answers ${said}: ${why}.`);
}

const markOf = (partial: string) => `${partial}.json`;

/** The mark by which the server knows the file that a part is of; nothing when there is none for this address. */
async function readMark(partial: string, url: string): Promise<string | undefined> {
  try {
    const noted = JSON.parse(await readFile(markOf(partial), 'utf8'));
    return noted.url === url && typeof noted.mark === 'string' ? noted.mark : undefined;
  } catch {
    return undefined; // not there, or cut off when it was written: the file is fetched from its start
  }
}

async function writeMark(partial: string, url: string, { headers }: Response): Promise<void> {
  const etag = headers.get('etag');
  // A weak ETag does not say that the bytes are the same.
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
