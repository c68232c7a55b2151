import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An answer of the server: bytes and headers. */
export interface PlainReply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
}

/** An answer, or a function that answers itself. */
export type Reply = PlainReply | ((request: IncomingMessage, response: ServerResponse) => void);

/** A request as it arrived. */
export interface Received {
  readonly method: string;
  readonly url: URL;
  readonly authorization?: string;
  readonly body: Buffer;
}

/** An HTTP server on 127.0.0.1 that answers as a test says. */
export class FakeServer {
  readonly received: Received[] = [];
  readonly #server: Server;

  private constructor(reply: (received: Received, count: number) => Reply) {
    this.#server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const received: Received = {
        method: request.method ?? '',
        url: new URL(request.url ?? '', 'http://localhost'),
        authorization: request.headers.authorization,
        body: Buffer.concat(chunks),
      };
      this.received.push(received);
      const answer = reply(received, this.received.length);
      if (typeof answer === 'function') answer(request, response);
      else {
        response.writeHead(answer.status ?? 200, answer.headers);
        response.end(answer.body);
      }
    });
  }

  static async start(reply: (received: Received, count: number) => Reply): Promise<FakeServer> {
    const server = new FakeServer(reply);
    await new Promise<void>((done) => server.#server.listen(0, '127.0.0.1', done));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/dicom-web`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}

/** A list of data sets in DICOM JSON. */
export function json(...sets: readonly Readonly<Record<string, unknown>>[]): PlainReply {
  const body = sets.map((set) =>
    Object.fromEntries(Object.entries(set).map(([tag, value]) => [tag, { vr: 'UN', Value: [value].flat() }])),
  );
  return { headers: { 'Content-Type': 'application/dicom+json' }, body: JSON.stringify(body) };
}

/** Files as the parts of a multipart message. */
export function multipart(...files: readonly Buffer[]): PlainReply & { readonly body: Buffer } {
  const parts = files.flatMap((file) => [
    Buffer.from(`--edge\r\nContent-Type: application/dicom\r\nContent-Length: ${file.length}\r\n\r\n`),
    file,
    Buffer.from('\r\n'),
  ]);
  return {
    headers: { 'Content-Type': 'multipart/related; type="application/dicom"; boundary=edge' },
    body: Buffer.concat([...parts, Buffer.from('--edge--\r\n')]),
  };
}
