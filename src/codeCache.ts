import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rm,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';
import { isMainThread } from 'node:worker_threads';
import { cacheFolder } from './cacheFolder.js';

// `scripts/chunks.mjs` joins most modules to chunks, which this module loads with the code that V8 compiled
// for them in an earlier process. Node itself can keep compiled code only from version 22.8 on.

/** A chunk, as the module it is in CommonJS. */
interface Chunk {
  readonly exports: Readonly<Record<string, unknown>>;
  /** Stands for `import(…)`, which V8 does not connect for compiled code that was kept. */
  readonly importModule: (path: string) => Promise<unknown>;
}

/** Milliseconds after which compiled code is kept: the functions of the start are compiled by then. */
const startTime = 2000;

/** In threads, V8 rejects code that was not compiled with the flags of this process. */
let isUsed = !isMainThread;

/**
 * Has chunks loaded with kept code from now on, for the command line. V8 uses code only with the flags that
 * it was compiled with, so the flag that `collectGarbage` will need is set now.
 */
export function useKeptCode(): void {
  setFlagsFromString('--expose-gc');
  isUsed = true;
}

const chunks = new Map<string, Chunk>();
const require = createRequire(import.meta.url);
/** Found out once: a host may switch source maps on later, and each chunk must exist once. */
const mapsSources = process.sourceMapsEnabled;
const folderUrl = new URL('./chunks/', import.meta.url);

const importModule = (path: string): Promise<unknown> =>
  import(path.startsWith('.') ? new URL(path, folderUrl).href : path);

/** Loads a chunk of the build once, and those that it requires. Returns what it exports. */
export function loadChunk(name: string): Chunk['exports'] {
  const file = fileURLToPath(new URL(`${name}.cjs`, folderUrl));
  // Only modules that Node loads itself have their positions mapped to their sources.
  if (mapsSources) return require(file);
  const known = chunks.get(name);
  if (known) return known.exports;
  const chunk: Chunk = { exports: {}, importModule };
  chunks.set(name, chunk);
  const folder = join(cacheFolder(), 'code', `${process.version}-${process.arch}`);
  const { script, keep } = compile(file, isUsed ? join(folder, name) : undefined);
  // Threads run a part of the code of the main thread.
  if (keep && isMainThread) setTimeout(keep, startTime).unref();
  const requireFrom = createRequire(file);
  const requireChunk = (path: string) =>
    /^\.\/\w+\.cjs$/.test(path) ? loadChunk(path.slice(2, -4)) : requireFrom(path);
  script.runInThisContext()(chunk.exports, requireChunk, chunk, file, dirname(file));
  return chunk.exports;
}

/** A compiled module in CommonJS. */
export interface Compiled {
  /** It evaluates to a function of exports, require, module, the file and its folder. */
  readonly script: Script;
  /** Keeps the compiled code, with all functions that were compiled until then. Undefined if it is kept. */
  readonly keep?: () => void;
}

/**
 * Compiles a file of ASCII text, or takes what an earlier process compiled. That is not used if it was
 * compiled from another text or by another V8, if it is damaged, or if another user could have changed it.
 *
 * @param cache Where the compiled code is kept. Default: nowhere.
 */
export function compile(file: string, cache?: string): Compiled {
  const text = `(function (exports, require, module, __filename, __dirname) { ${readFileSync(file, 'latin1')}\n})`;
  const cachedData = cache && keptCode(text, cache);
  const script = new Script(text, {
    filename: file,
    ...(cachedData && { cachedData }),
  });
  if (!cache || (cachedData && !script.cachedDataRejected)) return { script };
  return { script, keep: () => keepCode(text, script.createCachedData(), cache) };
}

function keptCode(text: string, cache: string): Buffer | undefined {
  let file: number | undefined;
  try {
    file = openSync(cache, 'r');
    const { uid, mode } = fstatSync(file);
    const user = process.getuid?.();
    if (user !== undefined && ((uid !== user && uid !== 0) || (mode & 0o022) !== 0)) return undefined;
    const content = readFileSync(file);
    const [checksum, code] = [content.subarray(0, 32), content.subarray(32)];
    return checksumOf(text, code).equals(checksum) ? code : undefined;
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Where nothing can be written, nothing is kept. */
function keepCode(text: string, code: Buffer, cache: string): void {
  const temporary = `${cache}.${process.pid}-${randomBytes(4).toString('hex')}.partial`;
  try {
    makeFolder(dirname(cache));
    writeFileSync(temporary, Buffer.concat([checksumOf(text, code), code]), { mode: 0o600 });
    renameSync(temporary, cache);
  } catch {
    rm(temporary, { force: true }, () => {});
  }
}

/** Node itself never returns from making a folder and its parents in /proc. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
}

function checksumOf(text: string, code: Buffer): Buffer {
  return createHash('sha256').update(text, 'latin1').update(code).digest();
}
