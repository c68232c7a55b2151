import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { breakOnceStored } from '../models/fileServer.js';

/** An answer: a file's bytes, JSON, or a redirect. */
export interface Answer {
  readonly bytes?: Uint8Array;
  readonly json?: unknown;
  readonly redirect?: string;
  /** The address of the next part of a list. */
  readonly next?: string;
  readonly type?: string;
}

/** An HTTP server on 127.0.0.1 with files by path, which sends ranges and may break off. */
export class ZooServer {
  readonly answers = new Map<string, Answer>();
  /** The requests in order: the path, and the range where there is one. */
  readonly requests: string[] = [];
  /** Paths whose next answer breaks off when the client has this many bytes of it in its incomplete file. */
  readonly cuts = new Map<string, { readonly after: number; readonly partial: string }>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const path = request.url as string;
      const { range } = request.headers;
      this.requests.push(range ? `${path} ${range}` : path);
      const answer = this.answers.get(path);
      if (!answer) {
        response.writeHead(404).end();
        return;
      }
      const { json, redirect, next, type } = answer;
      if (redirect !== undefined) {
        response.writeHead(302, { Location: redirect }).end();
        return;
      }
      const all = answer.bytes ?? Buffer.from(JSON.stringify(json));
      const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
      const body = all.subarray(start);
      response.writeHead(start > 0 ? 206 : 200, {
        ETag: `"${path}"`,
        'Content-Length': body.length,
        ...(type !== undefined && { 'Content-Type': type }),
        ...(start > 0 && { 'Content-Range': `bytes ${start}-${all.length - 1}/${all.length}` }),
        ...(next !== undefined && { Link: `<${next}>; rel="next"` }),
      });
      const cut = this.cuts.get(path);
      this.cuts.delete(path);
      if (cut === undefined) response.end(body);
      else {
        response.write(body.subarray(0, cut.after));
        breakOnceStored(response, cut.partial, start + cut.after);
      }
    });
  }

  static async start(): Promise<ZooServer> {
    const server = new ZooServer();
    await new Promise<void>((done) => server.#server.listen(0, '127.0.0.1', done));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}
