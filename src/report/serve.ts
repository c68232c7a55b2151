import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, realpath, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { messageOf, OptionError } from '../errors.js';
import { isImageFile, readGrid, readVolume } from '../formats/index.js';
import { writeNifti } from '../formats/writeNifti.js';
import type { ReportCase, ReportData } from './read.js';
import { viewerPage, viewerStyle } from './viewerPage.js';
import { browserScript } from './write.js';

/** A report that is being served. */
export interface ServedReport {
  /** Its address, `http://127.0.0.1:PORT/`. */
  readonly url: string;
  /** Ends the server. */
  close(): Promise<void>;
}

/** What the server answers with. */
interface Answer {
  readonly status: number;
  readonly type: string;
  /** A text, or the file to send. */
  readonly body: string | { readonly file: string };
  readonly headers?: Readonly<Record<string, string>>;
}

/** Types of the files that a report consists of; no others are served. */
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.json': 'application/json',
  '.gz': 'application/octet-stream',
};

/** The page of the report brings its own policy; this one is for pictures and for the view in 3D, which draws with WebGL. */
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

const refusal = (status: number, sentence: string, headers = {}): Answer => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: `${sentence}\n`,
  headers,
});

/**
 * Serves a report with its views in 3D, on 127.0.0.1 alone. What it hands out: the files of the report's folder, the images
 * that the report's cases name, and NiiVue from the package. Requests that name another host are refused, so that no web
 * page can reach it by a name of its own that leads here (DNS rebinding).
 *
 * @throws OptionError when the port is taken or not allowed.
 */
export async function serveReport(folder: string, data: ReportData, port = 0): Promise<ServedReport> {
  const site = new Site(await realpath(folder), data);
  const server = createServer((request, response) => {
    void reply(request, response, site).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  }).catch((error: NodeJS.ErrnoException) => {
    const why =
      error.code === 'EADDRINUSE'
        ? 'is in use by another program'
        : error.code === 'EACCES'
          ? 'may not be used by this user'
          : `cannot be used: ${messageOf(error)}`;
    throw new OptionError(
      `Port ${port} ${why}. Give another with --port, or leave it out for any that is free.`,
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
    refusal(500, `This went wrong: ${messageOf(error)}.`),
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
    return refusal(403, `This server answers for ${hosts.join(' and ')} alone.`);
  }
  if (method !== 'GET' && method !== 'HEAD') {
    return refusal(405, 'This server only hands out pages: GET and HEAD.', { Allow: 'GET, HEAD' });
  }
  const [, path, query] = /^([^?]*)\??(.*)$/s.exec(url)!;
  let parts: string[];
  try {
    parts = decodeURIComponent(path).split('/').slice(1);
  } catch {
    return refusal(400, 'The address is not well formed.');
  }
  if (!path.startsWith('/') || parts.some((part) => part === '..' || /[\\\0]/.test(part))) {
    return refusal(403, 'The address leads out of the report.');
  }
  return site.at(parts, new URLSearchParams(query).get('case') ?? '');
}

/** What there is to hand out. */
class Site {
  /** NIfTI files of images that NiiVue does not read as they are, by the image's path. */
  readonly #converted = new Map<string, Promise<string>>();
  #temporary: Promise<string> | undefined;

  constructor(
    /** The report's folder; a real path. */
    readonly folder: string,
    readonly data: ReportData,
  ) {}

  at(parts: readonly string[], id: string): Promise<Answer> {
    if (parts[0] === '3d') return this.#threeD(parts.slice(1).join('/'), id);
    return parts.join('/') === '' || parts.join('/') === 'index.html' ? this.#index() : this.#file(parts);
  }

  /** The report's page, told that there are views in 3D. */
  async #index(): Promise<Answer> {
    const page = await readFile(join(this.folder, 'index.html'), 'utf8');
    // The page's own policy holds; a second one would have to allow its script as well.
    const framed = { 'Content-Security-Policy': "frame-ancestors 'none'" };
    const body = page.replace('<head>', '<head>\n<meta name="voxstream-viewer" content="3d/">');
    return { status: 200, type: types['.html'], body, headers: framed };
  }

  async #file(parts: readonly string[]): Promise<Answer> {
    const missing = refusal(404, 'The report has no such file.');
    const type = types[extname(parts.at(-1)!)];
    if (!type || parts[0] !== 'cases') return missing;
    // A link may lead out of the folder as well.
    const file = await realpath(join(this.folder, ...parts)).catch(() => '');
    if (!file.startsWith(this.folder + sep) || !(await stat(file)).isFile()) return missing;
    return { status: 200, type, body: { file } };
  }

  async #threeD(name: string, id: string): Promise<Answer> {
    if (name === 'viewer.js') {
      return { status: 200, type: 'text/javascript', body: await browserScript('viewer') };
    }
    if (name === 'viewer.css') return { status: 200, type: 'text/css', body: viewerStyle };
    if (name === 'niivue.js') {
      // One file for browsers, which the package brings but does not export by name.
      const file = fileURLToPath(new URL('../../dist/index.js', import.meta.resolve('@niivue/niivue')));
      return { status: 200, type: 'text/javascript', body: { file } };
    }
    const subject = this.data.cases.find((one) => one.id === id);
    if (!subject) return refusal(404, 'The report has no such case.');
    if (name === '') return { status: 200, type: types['.html'], body: viewerPage(this.data, subject) };
    if (name === 'image') return this.#image(subject);
    return refusal(404, 'There is no such page.');
  }

  /** A case's image. Only files that are images by their name and by their content are handed out. */
  async #image({ note }: ReportCase): Promise<Answer> {
    const image = note?.image;
    if (!image || !isImageFile(image)) return refusal(404, 'The report knows of no image file of this case.');
    try {
      const file = await this.#asNifti(image);
      return { status: 200, type: types['.gz'], body: { file } };
    } catch (error) {
      return refusal(404, messageOf(error));
    }
  }

  /** The image itself where it is NIfTI, which its header must show; else a NIfTI file made of it. */
  async #asNifti(image: string): Promise<string> {
    if (/\.nii(\.gz)?$/i.test(image)) {
      await readGrid(image);
      return image;
    }
    const made = this.#converted.get(image) ?? this.#convert(image);
    this.#converted.set(image, made);
    return made.catch((error) => {
      this.#converted.delete(image);
      throw error;
    });
  }

  async #convert(image: string): Promise<string> {
    this.#temporary ??= mkdtemp(join(tmpdir(), 'voxstream-report-'));
    const file = join(await this.#temporary, `${this.#converted.size}.nii`);
    await writeNifti(file, await readVolume(image, { kind: 'image', nonFinite: true }));
    return file;
  }

  /** Removes what was converted. */
  async close(): Promise<void> {
    if (this.#temporary) await rm(await this.#temporary, { recursive: true, force: true });
  }
}
