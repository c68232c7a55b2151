import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { messageOf, OptionError } from '../errors.js';
import { type Answer, refusal } from './answer.js';
import { Site } from './site.js';
import type { ViewedCases } from './viewerPage.js';

/** A report that is being served. */
export interface ServedReport {
  /** Its address, `http://127.0.0.1:PORT/`. */
  readonly url: string;
  /** Stops the server. */
  close(): Promise<void>;
}

/**
 * The policy of pictures and of the 3D view, which draws with WebGL. The report's page has its own policy.
 */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self' data: blob:",
  "font-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const everyAnswer: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-cache',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/**
 * Serves a report, or a comparison of two runs, with its 3D views, on 127.0.0.1 only. It hands out the page,
 * the files of the report's cases, the images that the report names, and NiiVue from the package. Requests
 * that name another host are refused, so that no web page can reach it through its own domain (DNS
 * rebinding).
 *
 * @param port Default: 0, any free port.
 * @throws OptionError when the port is in use or not allowed.
 */
export async function serveReport(folder: string, data: ViewedCases, port = 0): Promise<ServedReport> {
  const site = new Site(await realpath(folder), data);
  const server = createServer((request, response) => {
    void reply(request, response, site).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  }).catch((error: NodeJS.ErrnoException) => {
    const why =
      error.code === 'EADDRINUSE'
        ? 'is used by another program'
        : error.code === 'EACCES'
          ? 'may not be used by this user'
          : `cannot be used: ${messageOf(error)}`;
    throw new OptionError(
      `Port ${port} ${why}. Choose another one with --port, or leave out --port to use any free port.`,
    );
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await site.close();
    },
  };
}

async function reply(request: IncomingMessage, response: ServerResponse, site: Site): Promise<void> {
  const { status, type, body, headers } = await answerTo(request, site).catch((error) =>
    refusal(500, `The server failed: ${messageOf(error)}`),
  );
  const length = typeof body === 'string' ? Buffer.byteLength(body) : (await stat(body.file)).size;
  response.writeHead(status, {
    ...everyAnswer,
    'Content-Security-Policy': policy,
    'Content-Type': type,
    'Content-Length': length,
    ...headers,
  });
  if (request.method === 'HEAD') response.end();
  else if (typeof body === 'string') response.end(body);
  else await pipeline(createReadStream(body.file), response);
}

async function answerTo(
  { method, headers, url = '/', socket }: IncomingMessage,
  site: Site,
): Promise<Answer> {
  const hosts = [`127.0.0.1:${socket.localPort}`, `localhost:${socket.localPort}`];
  if (!hosts.includes(headers.host ?? '')) {
    return refusal(403, `This server only answers requests to ${hosts.join(' and ')}.`);
  }
  if (method !== 'GET' && method !== 'HEAD') {
    return refusal(405, 'This server only accepts GET and HEAD.', { Allow: 'GET, HEAD' });
  }
  const [, path, query] = /^([^?]*)\??(.*)$/s.exec(url)!;
  let parts: string[];
  try {
    parts = decodeURIComponent(path).split('/').slice(1);
  } catch {
    return refusal(400, 'The address is malformed.');
  }
  if (!path.startsWith('/') || parts.some((part) => part === '..' || /[\\\0]/.test(part))) {
    return refusal(403, 'The address leads out of the report.');
  }
  return site.at(parts, new URLSearchParams(query).get('case') ?? '');
}
