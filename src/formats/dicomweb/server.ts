import { STATUS_CODES } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { DataError, messageOf, OptionError, VoxError } from '../../errors.js';
import { request } from '../request.js';
import { MultipartError } from './multipart.js';

/** A DICOMweb server. PS3.18. */
export interface Server {
  /** The address of its services, without a slash at the end: `https://pacs.example/dicom-web`. */
  readonly url: string;
  /** The header Authorization. It is sent to this server alone, and never shown. */
  readonly authorization?: string;
  /** The name of the environment variable that the authorization is from, for messages. */
  readonly tokenEnv?: string;
  /** Seconds without data after which the connection counts as lost. Default: 60. */
  readonly stallSeconds?: number;
  /** Seconds before the first retry, doubled with each further one. Default: 1. */
  readonly pauseSeconds?: number;
}

/** A request to a server. */
export interface Call {
  /** Below the server's address, e.g. `studies/1.2.3/series`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent with POST. Default: a GET. */
  readonly body?: Uint8Array;
  /** What is asked for, as messages name it, e.g. `the series of study 1.2.3`. */
  readonly what: string;
  /** HTTP statuses besides 200 that `read` understands. */
  readonly accepted?: readonly number[];
  /** The most bytes of the answer, after decompression. */
  readonly mostBytes: number;
  readonly signal?: AbortSignal;
}

/** The answer to a request. Its body is counted and watched: it ends, and never stalls for long. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Attempts before a request fails. */
const mostAttempts = 4;

/** The longest pause that a server may ask for, in seconds. */
const longestPause = 60;

/** One attempt failed; another may succeed. The message is a clause that continues the server's name. */
class Passing extends Error {
  constructor(
    message: string,
    /** Seconds to wait, where the server says so. */
    readonly pause = 0,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * The server at an address, with the token of an environment variable.
 *
 * @param tokenEnv The variable's name. Its value is a bearer token, or a whole header: `Basic …`, `Bearer …`.
 * @throws OptionError if the variable is not set, or cannot be sent as a header.
 */
export function serverAt(url: string, tokenEnv?: string): Server {
  const address = url.replace(/\/+$/, '');
  if (tokenEnv === undefined) return { url: address };
  const token = process.env[tokenEnv]?.trim();
  if (!token) {
    throw new OptionError(
      `The environment variable ${tokenEnv} (tokenEnv) is not set, but the token for ${address} was expected in it.`,
    );
  }
  // fetch would show the value in its message.
  if (!/^[\x20-\x7e]+$/.test(token)) {
    throw new OptionError(
      `The environment variable ${tokenEnv} (tokenEnv) holds line breaks or letters beyond ASCII, which a token cannot have.`,
    );
  }
  return {
    url: address,
    authorization: /^(Basic|Bearer) /.test(token) ? token : `Bearer ${token}`,
    tokenEnv,
  };
}

/**
 * Sends a request, and reads the answer by `read`. Attempts that fail in a way that may pass (the connection,
 * status 408, 429 and 5xx, a body that is cut off) are repeated up to three times, with growing pauses.
 *
 * @throws DataError if the server refuses, cannot be reached, or sends something else than expected.
 */
export async function ask<T>(server: Server, call: Call, read: (answer: Answer) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    call.signal?.throwIfAborted();
    try {
      return await askOnce(server, call, read);
    } catch (error) {
      call.signal?.throwIfAborted();
      if (error instanceof VoxError) throw error;
      if (!(error instanceof Passing)) throw error;
      if (attempt === mostAttempts) {
        throw new DataError(
          `${server.url} did not answer the request for ${call.what}, in ${mostAttempts} attempts: the server ` +
            `${error.message}. Try again later.`,
          { cause: error },
        );
      }
      const pause = Math.max((server.pauseSeconds ?? 1) * 2 ** (attempt - 1), error.pause);
      await wait(1000 * pause, undefined, { signal: call.signal });
    }
  }
}

async function askOnce<T>(server: Server, call: Call, read: (answer: Answer) => Promise<T>): Promise<T> {
  const { stallSeconds = 60 } = server;
  const abort = new AbortController();
  const signal = call.signal ? AbortSignal.any([call.signal, abort.signal]) : abort.signal;
  const stop = () => abort.abort(new Passing(`sent no data for ${stallSeconds} s`));
  let timer = setTimeout(stop, 1000 * stallSeconds);
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(stop, 1000 * stallSeconds);
  };
  try {
    const search = new URLSearchParams(call.query).toString();
    const response = await request(`${server.url}/${call.path}${search && `?${search}`}`, {
      headers: {
        ...call.headers,
        ...(server.authorization !== undefined && { Authorization: server.authorization }),
      },
      signal,
      body: call.body,
      refuse: (message) => new DataError(message),
    });
    const fault = refusal(server, call, response);
    if (fault) {
      await response.body?.cancel();
      throw fault;
    }
    alive();
    return await read({
      status: response.status,
      type: response.headers.get('content-type') ?? '',
      body: watched(response, server, call, alive),
    });
  } catch (error) {
    if (error instanceof VoxError || error instanceof Passing) throw error;
    if (abort.signal.aborted) throw abort.signal.reason;
    if (error instanceof MultipartError) throw new Passing(error.message, 0, { cause: error });
    // `fetch` and the body of its answer fail with a TypeError, whose cause is the network's.
    if (!(error instanceof TypeError)) throw error;
    throw new Passing(`cannot be reached (${messageOf(error.cause ?? error)})`, 0, { cause: error });
  } finally {
    clearTimeout(timer);
    // Ends a body that was not read to its end.
    abort.abort();
  }
}

/** The chunks of an answer's body, up to the most bytes that it may have. */
async function* watched(
  response: Response,
  { url }: Server,
  { what, mostBytes }: Call,
  alive: () => void,
): AsyncGenerator<Uint8Array> {
  if (!response.body) return;
  let bytes = 0;
  // The types of the web's streams in Node and in TypeScript's library differ; the streams are the same.
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    alive();
    bytes += chunk.length;
    if (bytes > mostBytes) {
      throw new DataError(
        `${url} sent more than ${mostBytes} bytes for ${what}. The download was stopped; check the server.`,
      );
    }
    yield chunk;
  }
}

/** The error for a status: one to retry, or a final one. */
function refusal(
  { url, tokenEnv }: Server,
  { what, accepted = [] }: Call,
  { status, headers }: Response,
): Error | undefined {
  if (status === 200 || accepted.includes(status)) return undefined;
  // The server's own text could repeat the token.
  const said = [status, STATUS_CODES[status]].filter(Boolean).join(' ');
  if (status === 408 || status === 429 || status >= 500) {
    const after = Number(headers.get('retry-after'));
    return new Passing(`answers ${said}`, after > 0 ? Math.min(after, longestPause) : 0);
  }
  const token = tokenEnv ? `the token in ${tokenEnv} (tokenEnv)` : 'an access without a token';
  const reasons: Readonly<Record<number, string>> = {
    401: `it does not accept ${token}. Check the token, and give the name of its variable with tokenEnv`,
    403: `it does not permit that to ${token}. Ask for the rights, or use another token`,
    404: 'it has nothing there. Check the address (url) and the UIDs',
    406: 'it cannot send DICOM in the form that was asked for. Check that the address (url) is that of DICOMweb',
  };
  const why = reasons[status] ?? 'the request was refused. Check the address (url) and the query';
  return new DataError(`${url} answers ${said} to the request for ${what}: ${why}.`);
}

/** A whole answer. */
export async function wholeBody(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The error for an answer of another type than expected. */
export function wrongType({ url }: Server, { what }: Call, type: string, expected: string): DataError {
  const page = /^text\/html\b/i.test(type) ? ' It is a web page, maybe one to log in.' : '';
  return new DataError(
    `${url} answered the request for ${what} with ${type === '' ? 'no Content-Type' : type}, but ${expected} was ` +
      `expected.${page} Check that the address (url) is that of a DICOMweb server.`,
  );
}
