/** The most bytes of the headers of a part. */
const mostHeaderBytes = 16 << 10;

const lineBreak = Buffer.from('\r\n');

/** A body is not a sound multipart message. The message is a clause that continues the name of its sender. */
export class MultipartError extends Error {}

/** A part of a multipart message. */
export interface Part {
  /** Its headers, by name in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** Its content, to be read whole or not at all before the next part is asked for. */
  readonly content: AsyncGenerator<Uint8Array>;
}

/** The boundary that a Content-Type of a multipart message names; undefined for other types. */
export function boundaryOf(contentType: string): string | undefined {
  if (!/^multipart\/related\b/i.test(contentType)) return undefined;
  const found = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(contentType);
  const boundary = found?.[1] ?? found?.[2];
  return boundary !== undefined && boundary.length <= 70 ? boundary : undefined;
}

/**
 * The parts of a multipart message, in order, as they arrive: no part is held in memory. RFC 2046, section
 * 5.1.
 *
 * The caller bounds the length of the body. A part that states its Content-Length must have it.
 *
 * @throws MultipartError if the body ends before its closing boundary, or if a part is damaged.
 */
export async function* multipartParts(
  body: AsyncIterable<Uint8Array>,
  boundary: string,
): AsyncGenerator<Part> {
  const scanner = new Scanner(body);
  // The first boundary may stand at the very beginning, without the line break that belongs to the others.
  scanner.putBack(lineBreak);
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  await drain(scanner.until(delimiter, mostHeaderBytes));
  for (;;) {
    const after = await scanner.take(2);
    if (after === '--') return;
    scanner.putBack(Buffer.from(after, 'latin1'));
    // Blanks may follow a boundary.
    await drain(scanner.until(lineBreak, 256));
    const headers = await readHeaders(scanner);
    const content = checkLength(scanner.until(delimiter), headers);
    yield { headers, content };
    await drain(content);
  }
}

async function readHeaders(scanner: Scanner): Promise<Map<string, string>> {
  // The headers end with an empty line. A part without headers begins with it.
  scanner.putBack(lineBreak);
  const chunks: Uint8Array[] = [];
  for await (const chunk of scanner.until(Buffer.from('\r\n\r\n'), mostHeaderBytes)) chunks.push(chunk);
  const lines = Buffer.concat(chunks).toString('latin1').split('\r\n').filter(Boolean);
  return new Map(
    lines.map((line) => {
      const [, name, value] = /^([^:]+):\s*(.*)$/.exec(line) ?? [];
      if (name === undefined) throw new MultipartError('sent a part with a damaged header');
      return [name.toLowerCase(), value];
    }),
  );
}

async function* checkLength(
  content: AsyncGenerator<Uint8Array>,
  headers: ReadonlyMap<string, string>,
): AsyncGenerator<Uint8Array> {
  const stated = headers.get('content-length');
  let length = 0;
  for await (const chunk of content) {
    length += chunk.length;
    yield chunk;
  }
  if (stated !== undefined && Number(stated) !== length) {
    throw new MultipartError(`sent a part of ${length} bytes, but its Content-Length says ${stated}`);
  }
}

async function drain(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of chunks);
}

/** Reads a stream of bytes from one delimiter to the next. */
class Scanner {
  readonly #source: AsyncIterator<Uint8Array>;
  #waiting: Buffer = Buffer.alloc(0);

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#source = body[Symbol.asyncIterator]();
  }

  /** Puts bytes before those that come next. */
  putBack(bytes: Buffer): void {
    this.#waiting = Buffer.concat([bytes, this.#waiting]);
  }

  /** The next `length` bytes as text. */
  async take(length: number): Promise<string> {
    while (this.#waiting.length < length) await this.#more();
    const text = this.#waiting.toString('latin1', 0, length);
    this.#waiting = this.#waiting.subarray(length);
    return text;
  }

  /** The bytes before the next delimiter, which is taken out. At most `most` bytes are looked through. */
  async *until(delimiter: Buffer, most = Number.POSITIVE_INFINITY): AsyncGenerator<Uint8Array> {
    let seen = 0;
    for (;;) {
      const at = this.#waiting.indexOf(delimiter);
      // The end of what is here may be the beginning of the delimiter.
      const sure = at >= 0 ? at : Math.max(0, this.#waiting.length - delimiter.length + 1);
      const chunk = this.#waiting.subarray(0, sure);
      this.#waiting = this.#waiting.subarray(at >= 0 ? at + delimiter.length : sure);
      seen += chunk.length;
      if (seen > most) throw new MultipartError(`sent more than ${most} bytes where a header was expected`);
      if (chunk.length > 0) yield chunk;
      if (at >= 0) return;
      await this.#more();
    }
  }

  async #more(): Promise<void> {
    const { value, done } = await this.#source.next();
    if (done) throw new MultipartError('ended the answer before its last boundary');
    this.#waiting = this.#waiting.length === 0 ? Buffer.from(value) : Buffer.concat([this.#waiting, value]);
  }
}
