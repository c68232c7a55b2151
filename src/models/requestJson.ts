import { ModelError, messageOf, showBytes } from '../errors.js';
import { request } from '../formats/request.js';
import { OfflineError } from './download.js';

/** The largest answer that is read. Lists of files are far smaller. */
const mostBytes = 16 * 2 ** 20;

/** How long an answer may take, in seconds. */
const patience = 60;

/** The server has nothing at an address. */
export class NotThere extends ModelError {}

/** A JSON answer, and the address of the next part where the server sends a list in parts. */
export interface JsonAnswer {
  readonly content: unknown;
  readonly next: string | undefined;
}

/**
 * Requests JSON over HTTP.
 *
 * @throws OfflineError when the server cannot be reached; NotThere when it has nothing at this address;
 * ModelError when it refuses the request or answers something else.
 */
export async function requestJson(url: string): Promise<JsonAnswer> {
  const signal = AbortSignal.timeout(patience * 1000);
  const refuse = (message: string) => new ModelError(message);
  const response = await request(url, { headers: { Accept: 'application/json' }, signal, refuse }).catch(
    (error: unknown) => {
      if (error instanceof ModelError) throw error;
      const { cause } = error as { cause?: unknown };
      throw new OfflineError(`${new URL(url).host} cannot be reached: ${messageOf(cause ?? error)}.`, {
        cause: error,
      });
    },
  );
  if (!response.ok) {
    await response.body?.cancel();
    const said = `${url} answers ${response.status} ${response.statusText}`.trim();
    // Hugging Face answers 401 for repositories that do not exist.
    if ([401, 404, 410].includes(response.status)) throw new NotThere(`${said}: there is nothing there.`);
    throw new ModelError(`${said}. Try again later.`);
  }
  const text = await readText(url, response);
  try {
    return { content: JSON.parse(text), next: nextPart(response) };
  } catch (error) {
    throw new ModelError(`${url} does not answer with JSON: ${messageOf(error)}.`, { cause: error });
  }
}

async function readText(url: string, { body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of body ?? []) {
      length += chunk.length;
      if (length > mostBytes) throw new ModelError(`${url} answers with more than ${showBytes(mostBytes)}.`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof ModelError) throw error;
    throw new ModelError(`The answer of ${url} was cut off: ${messageOf(error)}. Try again.`, {
      cause: error,
    });
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The address after `rel="next"` in the header Link (RFC 8288). */
function nextPart({ headers }: Response): string | undefined {
  return /<([^>]+)>\s*;\s*rel="?next"?/.exec(headers.get('link') ?? '')?.[1];
}
