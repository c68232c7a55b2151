import { mkdtemp, readFile, realpath, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isAddress } from '../address.js';
import type { CaseFile } from '../case.js';
import { messageOf } from '../errors.js';
import { isImageFile, readGrid, readVolume } from '../formats/index.js';
import { mapPaths, pathsOf } from '../formats/inputFiles.js';
import { writeNifti } from '../formats/writeNifti.js';
import { revealEnvironment } from '../mask.js';
import { type LocalCopy, localCopy } from '../storage/cache.js';
import { type Answer, refusal } from './answer.js';
import { html } from './html.js';
import { casesFolder, type ReportCase } from './read.js';
import { type ViewedCases, viewerPage, viewerStyle } from './viewerPage.js';
import { browserScript } from './write.js';

/** The types of the files that a report consists of. Files of other types are not served. */
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.json': 'application/json',
  '.gz': 'application/octet-stream',
};

/** What the server of a report hands out: the page, the files of its cases, and the 3D views. */
export class Site {
  /** NIfTI files made from images in formats that NiiVue cannot read, by what they are read from, as JSON. */
  readonly #converted = new Map<string, Promise<string>>();
  #temporary: Promise<string> | undefined;
  /** Images from addresses that are on this machine now. */
  readonly #copies = new Map<string, Promise<LocalCopy>>();

  constructor(
    /** The report's folder; a real path, without links. */
    readonly folder: string,
    readonly data: ViewedCases,
  ) {}

  /** The answer for a path, given by its parts, and a case. */
  at(parts: readonly string[], id: string): Promise<Answer> {
    if (parts[0] === '3d') return this.#threeD(parts.slice(1).join('/'), id);
    const isIndex = ['', 'index.html'].includes(parts.join('/'));
    return isIndex ? this.#index() : this.#file(parts);
  }

  /** Removes converted images, and gives copies back to the cache. */
  async close(): Promise<void> {
    for (const copy of this.#copies.values()) await copy.then(({ release }) => release()).catch(() => {});
    if (this.#temporary) await rm(await this.#temporary, { recursive: true, force: true });
  }

  /**
   * The report's page, with marks that show its script the 3D views and where the report's folder is.
   */
  async #index(): Promise<Answer> {
    const page = await readFile(join(this.folder, 'index.html'), 'utf8');
    // The page has its own policy. A second one would have to allow the page's script, too.
    const headers = { 'Content-Security-Policy': "frame-ancestors 'none'" };
    const marks = html`<head>
<meta name="voxstream-viewer" content="3d/">
<meta name="voxstream-folder" content="${this.folder + sep}">`;
    const body = page.replace('<head>', () => marks.html);
    return { status: 200, type: types['.html'], body, headers };
  }

  async #file(parts: readonly string[]): Promise<Answer> {
    const missing = refusal(404, 'The report has no such file.');
    const type = types[extname(parts.at(-1)!)];
    if (!type || parts[0] !== casesFolder) return missing;
    // A link could lead out of the folder.
    const file = await realpath(join(this.folder, ...parts)).catch(() => '');
    if (!file.startsWith(this.folder + sep) || !(await stat(file)).isFile()) return missing;
    // Pictures have their style inside.
    const policy = "default-src 'none'; style-src 'unsafe-inline'";
    const headers = type === types['.svg'] ? { headers: { 'Content-Security-Policy': policy } } : {};
    return { status: 200, type, body: { file }, ...headers };
  }

  async #threeD(name: string, id: string): Promise<Answer> {
    if (name === 'viewer.js') {
      return { status: 200, type: 'text/javascript', body: await browserScript('viewer') };
    }
    if (name === 'viewer.css') return { status: 200, type: 'text/css', body: viewerStyle };
    if (name === 'niivue.js') {
      // The build for browsers is one file. The package has it, but does not export it by name.
      const file = fileURLToPath(new URL('../../dist/index.js', import.meta.resolve('@niivue/niivue')));
      return { status: 200, type: 'text/javascript', body: { file } };
    }
    const subject = this.data.cases.find((one) => one.id === id);
    if (!subject) return refusal(404, 'The report has no such case.');
    if (name === '') return { status: 200, type: types['.html'], body: viewerPage(this.data, subject) };
    if (name === 'image') return this.#image(subject);
    return refusal(404, 'There is no such page.');
  }

  /** A case's image. It must be an image by its name and by its content. */
  async #image({ note }: ReportCase): Promise<Answer> {
    const image = note?.image && revealEnvironment(note.image);
    if (!image || (typeof image === 'string' && !isImageFile(image))) {
      return refusal(404, 'The report knows no image file of this case.');
    }
    try {
      const file = await this.#asNifti(await this.#here(image));
      return { status: 200, type: types['.gz'], body: { file } };
    } catch (error) {
      return refusal(404, messageOf(error));
    }
  }

  /** An image whose files are on this machine. */
  async #here(image: CaseFile): Promise<CaseFile> {
    const paths = new Map<string, string>();
    for (const address of pathsOf(image).filter(isAddress)) {
      const copy = this.#copies.get(address) ?? localCopy(address);
      this.#copies.set(address, copy);
      copy.catch(() => this.#copies.delete(address));
      paths.set(address, (await copy).path);
    }
    return mapPaths(image, (path) => paths.get(path) ?? path);
  }

  /** The image's file if it is NIfTI, which its header must confirm; otherwise a NIfTI file made from it. */
  async #asNifti(image: CaseFile): Promise<string> {
    if (typeof image === 'string' && /\.nii(\.gz)?$/i.test(image)) {
      await readGrid(image);
      return image;
    }
    const key = JSON.stringify(image);
    const made = this.#converted.get(key) ?? this.#convert(image);
    this.#converted.set(key, made);
    return made.catch((error) => {
      this.#converted.delete(key);
      throw error;
    });
  }

  async #convert(image: CaseFile): Promise<string> {
    this.#temporary ??= mkdtemp(join(tmpdir(), 'voxstream-report-'));
    const file = join(await this.#temporary, `${this.#converted.size}.nii`);
    await writeNifti(file, await readVolume(image, { kind: 'image', nonFinite: true }));
    return file;
  }
}
