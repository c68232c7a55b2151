import { statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

/** How the server treats one request. */
export interface Behaviour {
  /** Breaks the connection after this many bytes of the response body; see `partial`. */
  readonly cutAfter?: number;
  /** Sends nothing after this many bytes, and keeps the connection open. */
  readonly stallAfter?: number;
  readonly status?: number;
  /** The file's ETag; another ETag stands for another file. Default: `"one"`. */
  readonly etag?: string;
  /** Sends the whole file whatever range is requested. */
  readonly ignoreRange?: boolean;
  /** Redirects to this address. */
  readonly redirect?: string;
  /** Sends the file compressed. */
  readonly gzip?: boolean;
  /** Sends zeros without end, and no length. */
  readonly endless?: boolean;
  /** Sends no length, and ends in order after this many bytes. */
  readonly endAfter?: number;
  /** The media type. */
  readonly type?: string;
}

/** Breaks a connection as soon as the client has so many bytes in a file, or has left. */
export function breakOnceStored(response: ServerResponse, file: string, bytes: number): void {
  const timer = setInterval(() => {
    const stored = statSync(file, { throwIfNoEntry: false })?.size === bytes;
    if (!stored && !response.closed) return;
    clearInterval(timer);
    response.destroy();
  }, 5);
}

/** An HTTP server on 127.0.0.1 that serves one file, whole or by ranges, and misbehaves on request. */
export class FileServer {
  /** The `Range` header of each request, in order. */
  readonly ranges: (string | undefined)[] = [];
  /** The behaviours for the next requests. Later requests are answered normally. */
  behaviours: Behaviour[] = [];
  /**
   * The client's incomplete file: a connection is broken when it holds all bytes that were sent, or the
   * client left.
   */
  partial = '';
  /** The bytes of zeros that a client accepted from an endless file. */
  sent = 0;
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
    const behaviour = this.behaviours.shift() ?? {};
    const { cutAfter, stallAfter, status, etag = '"one"', ignoreRange, endAfter, type } = behaviour;
    if (status) {
      response.writeHead(status).end();
      return;
    }
    if (behaviour.redirect !== undefined) {
      response.writeHead(302, { Location: behaviour.redirect }).end();
      return;
    }
    if (behaviour.gzip) {
      response.writeHead(200, { 'Content-Encoding': 'gzip', ETag: etag }).end(gzipSync(this.content));
      return;
    }
    if (behaviour.endless) {
      this.sent = 0;
      const zeros = () => {
        while (!response.closed && this.sent < 2 ** 30) {
          this.sent += 65536;
          if (!response.write(Buffer.alloc(65536))) return;
        }
      };
      response.on('drain', zeros);
      zeros();
      return;
    }
    const wanted = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? Number.NaN);
    const isPart = !Number.isNaN(wanted) && mark === etag && !ignoreRange;
    const start = isPart ? wanted : 0;
    const { length } = this.content;
    const body = this.content.subarray(start);
    const headers = {
      ETag: etag,
      ...(type !== undefined && { 'Content-Type': type }),
      ...(endAfter === undefined && { 'Content-Length': body.length }),
    };
    if (isPart)
      response.writeHead(206, { ...headers, 'Content-Range': `bytes ${start}-${length - 1}/${length}` });
    else response.writeHead(200, headers);
    if (endAfter !== undefined) {
      // A response of `end` alone would get a length.
      response.flushHeaders();
      response.end(body.subarray(0, endAfter));
      return;
    }
    const most = cutAfter ?? stallAfter;
    if (most === undefined) response.end(body);
    else {
      response.write(body.subarray(0, most));
      if (cutAfter === undefined) return;
      breakOnceStored(response, this.partial, start + most);
    }
  }
}
