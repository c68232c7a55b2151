import type { ReadableStream as WebStream } from 'node:stream/web';
import { shownPlace } from '../address.js';
import { DataError, messageOf } from '../errors.js';
import { request } from '../formats/request.js';
import { type FileInfo, type ReadRange, type Storage, storage } from './define.js';
import { StorageFault } from './retry.js';

/** How long a server may take to begin its answer, in ms. */
const patience = 60_000;

/**
 * Files of web servers, read in ranges. Servers that do not support ranges are read from the beginning.
 * Addresses with a query work, e.g. signed ones, but messages and records show them without it.
 */
function web(scheme: 'http' | 'https'): Storage {
  return storage({
    scheme,
    // One byte instead of HEAD: signed addresses are often valid for GET alone.
    async stat(address) {
      const response = await send(address, { Range: 'bytes=0-0' });
      await response.body?.cancel();
      if (response.status === 404 || response.status === 410) return undefined;
      return infoOf(response, address);
    },
    read: async (address, range, signal) => readPart(address, range, signal),
  });
}

export const http = web('http');
export const https = web('https');

async function* readPart(
  address: string,
  { start, end, tag }: ReadRange,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const range = { Range: `bytes=${start}-${end - 1}` };
  const response = await send(
    address,
    { ...range, ...(tag?.startsWith('"') && { 'If-Match': tag }) },
    signal,
  );
  const info = infoOf(response, address);
  if (tag !== undefined && info.tag !== undefined && info.tag !== tag) {
    await response.body?.cancel();
    throw changed(address);
  }
  // The types of the web's streams in Node and in TypeScript's library differ; the streams are the same.
  const body = response.body as WebStream<Uint8Array> | null;
  let at = response.status === 206 ? start : 0;
  if (!body) return;
  for await (const chunk of body) {
    // A server without ranges sends the whole file.
    const part = chunk.subarray(Math.max(0, start - at), Math.max(0, end - at));
    at += chunk.length;
    if (part.length > 0) yield part;
    if (at >= end) return;
  }
}

async function send(
  address: string,
  headers: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<Response> {
  const late = AbortSignal.timeout(patience);
  try {
    return await request(address, {
      // A part of a compressed answer is not a part of the file.
      headers: { 'Accept-Encoding': 'identity', ...headers },
      signal: signal ?? late,
      refuse: (message) => new DataError(message),
    });
  } catch (error) {
    if (error instanceof DataError || signal?.aborted) throw error;
    const { cause = error } = error as { cause?: unknown };
    const why = late.aborted ? `the server did not answer within ${patience / 1000} s` : messageOf(cause);
    throw new StorageFault(`${shownPlace(address)} cannot be read: ${why}.`, true, { cause: error });
  }
}

/** Checks an answer. Throws what is wrong with it. */
function infoOf(response: Response, address: string): FileInfo {
  const { status, statusText, headers } = response;
  const name = shownPlace(address);
  const range = /^bytes (?:\d+-\d+|\*)\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1];
  const size = Number(range ?? headers.get('content-length') ?? Number.NaN);
  // An empty file has no first byte.
  const isEmpty = status === 416 && size === 0;
  if (status !== 200 && status !== 206 && !isEmpty) throw refusal(name, status, statusText);
  const encoding = headers.get('content-encoding') ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') {
    throw new DataError(
      `${name} is sent compressed (Content-Encoding: ${encoding}), although the plain file was asked for. Its server, or a ` +
        'proxy on the way, is set up wrongly for such files.',
    );
  }
  if (!Number.isFinite(size)) {
    throw new DataError(
      `The server does not say how large ${name} is (no Content-Length), so it cannot be checked whether all of it ` +
        'arrived. Download it, and give the file.',
    );
  }
  const tag = headers.get('etag') ?? undefined;
  const time = headers.get('last-modified');
  const modified = time === null ? 0 : Date.parse(time) || 0;
  return { size, modified, ...(tag && { tag }) };
}

function refusal(name: string, status: number, statusText: string): DataError {
  const said = `${status}${statusText ? ` ${statusText}` : ''}`;
  if (status === 412) return changed(name);
  const passing = status === 408 || status === 425 || status === 429 || status >= 500;
  const why =
    status === 401 || status === 403
      ? 'access is denied. Addresses that need a password or a token are not read; a signed address may have expired'
      : status === 404 || status === 410
        ? 'there is no such file; check the address'
        : passing
          ? 'the server is overloaded or faulty; try again later'
          : 'the server does not send the file; check the address';
  return new StorageFault(`${name} cannot be read: the server answers ${said}, i.e. ${why}.`, passing);
}

function changed(address: string): DataError {
  return new DataError(
    `${shownPlace(address)} changed while it was being read. Run the case again with --resume.`,
  );
}
