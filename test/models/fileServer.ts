import { statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How the server treats one request. */
export interface Behaviour {
  /** Cuts the connection after this many bytes of the body. */
  readonly cutAfter?: number;
  /** Keeps the connection open after this many bytes, and sends nothing more. */
  readonly stallAfter?: number;
  readonly status?: number;
  /** The ETag of the file; a different one stands for a different file. Default: `"one"`. */
  readonly etag?: string;
  /** Serves the whole file, no matter which part was requested. */
  readonly ignoreRange?: boolean;
}

/** An HTTP server on 127.0.0.1 that serves one file, in whole or in part, and misbehaves as asked. */
export class FileServer {
  /** The `Range` header of each request, in order. */
  readonly ranges: (string | undefined)[] = [];
  /**
   * The file that the client writes to. If it is known, a connection is cut only after bytes of this answer are in it: on a
   * busy machine that takes a while.
   */
  partial: string | undefined;
  /** How the next requests are treated; those that follow are treated well. */
  behaviours: Behaviour[] = [];
  readonly #server: Server;

  private constructor(readonly content: Uint8Array) {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async start(content: Uint8Array): Promise<FileServer> {
    const server = new FileServer(content);
    await new Promise<void>((done) => server.#server.listen(0, '127.0.0.1', done));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/files/weights.pt`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { range, 'if-range': mark } = request.headers;
    this.ranges.push(range);
    const { cutAfter, stallAfter, status, etag = '"one"', ignoreRange } = this.behaviours.shift() ?? {};
    if (status) {
      response.writeHead(status).end();
      return;
    }
    const wanted = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? Number.NaN);
    const isPart = !Number.isNaN(wanted) && mark === etag && !ignoreRange;
    const start = isPart ? wanted : 0;
    const { length } = this.content;
    const body = this.content.subarray(start);
    const headers = { 'Content-Length': body.length, ETag: etag };
    if (isPart)
      response.writeHead(206, { ...headers, 'Content-Range': `bytes ${start}-${length - 1}/${length}` });
    else response.writeHead(200, headers);
    const most = cutAfter ?? stallAfter;
    if (most === undefined) response.end(body);
    else {
      response.write(body.subarray(0, most));
      if (cutAfter !== undefined) this.#cut(response, start);
    }
  }

  #cut(response: ServerResponse, start: number): void {
    const poll = setInterval(() => {
      const arrived = this.partial === undefined || sizeOf(this.partial) > start;
      if (!arrived && !response.closed) return;
      clearInterval(poll);
      response.destroy();
    }, 20);
  }
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
