// A part of `npm run build`: joins the modules that a run and its threads load, and the packages that they
// use, into a few files, because Node takes 0.25 s longer to load them one by one. They are in CommonJS, so
// that `src/codeCache.ts` can load them with compiled code. The file of each module stays and passes on what
// the module exported, so a module exists once, whatever path it is imported by. See docs/architecture.md.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { build } from 'esbuild';

const dist = resolve('dist');

/** Modules that do their work when they are loaded. They export nothing. */
const programs = ['cli/start.js', 'cli/main.js', 'runtime/sessionWorker.js'];

/** Modules that are not joined: one imports a package that cannot be, the other one loads the chunks. */
const separate = ['onnx/ort.js', 'codeCache.js'];

/** Modules that are joined, and are needed before chunks are loaded. Both copies do the same. */
const copied = ['onnx/noTelemetry.js', 'cacheFolder.js'];

/** Packages that find their other files by their own path. */
const unbundled = ['onnxruntime-node', 'piscina'];

const isPackage = (path) => /^[a-z@]/.test(path) && !path.startsWith('node:') && !unbundled.includes(path);

/** Packages that are joined, and the files that export what others import from them. */
const packages = new Map();
const graph = await importGraph(['index.js', 'author.js', 'cli/run.js', 'runtime/runTask.js', ...programs]);
const groups = groupModules();
const modules = new Map(
  Object.entries(groups).flatMap(([group, files]) => files.map((file) => [file, group])),
);
const exportsOf = await findExports();
for (const { bare } of graph.values()) {
  for (const name of bare.filter(isPackage)) packages.set(name, `packages/${name.replaceAll('/', '-')}.js`);
}
const metafile = await writeChunks();
await convertChunks();
for (const file of modules.keys()) writeForwarder(file);
redirectPackages();
writeLicenses();

/** Modules that are reached from `entries` by static imports: what each imports, and from which packages. */
async function importGraph(entries) {
  const { inputs } = await bundle({
    entryPoints: entries.map((file) => join(dist, file)),
    packages: 'external',
    write: false,
  });
  const fileOf = (path) => {
    const file = relative(dist, resolve(path));
    // The files are replaced later.
    if (file.startsWith('..')) throw new Error(`${path} is not in dist, so it must not be joined.`);
    return file;
  };
  return new Map(
    Object.entries(inputs).map(([path, { imports }]) => [
      fileOf(path),
      {
        files: imports.filter(({ external }) => !external).map((one) => fileOf(one.path)),
        bare: imports
          .filter(({ external, kind }) => external && kind === 'import-statement')
          .map((one) => one.path),
      },
    ]),
  );
}

/** What a session thread loads, what a thread for tasks loads besides, and everything else. */
function groupModules() {
  const reach = (...files) => {
    const found = new Set();
    const visit = (file) => {
      if (found.has(file)) return;
      found.add(file);
      for (const one of graph.get(file).files) visit(one);
    };
    for (const file of files) visit(file);
    return found;
  };
  const tasks = [...graph.keys()].flatMap((file) =>
    [...textOf(file).matchAll(/\btask\(new URL\('(\.[^']+)', import\.meta\.url\), \w/g)].map(([, path]) =>
      join(dirname(file), path),
    ),
  );
  const session = reach('runtime/sessionWorker.js');
  const inTasks = reach('runtime/runTask.js', ...new Set(tasks));
  const lists = { session: [], tasks: [], main: [] };
  const joined = [...graph.keys()].filter((one) => ![...programs, ...copied].includes(one));
  for (const file of joined.sort()) {
    lists[session.has(file) ? 'session' : inTasks.has(file) ? 'tasks' : 'main'].push(file);
  }
  return lists;
}

/** The names that each module exports. */
async function findExports() {
  const { outputs } = await bundle({
    entryPoints: [...modules.keys()].map((file) => join(dist, file)),
    packages: 'external',
    write: false,
  });
  return new Map(
    Object.values(outputs)
      .filter(({ entryPoint }) => entryPoint)
      .map(({ entryPoint, exports }) => [relative(dist, resolve(entryPoint)), exports]),
  );
}

async function writeChunks() {
  rmSync(join(dist, 'chunks'), { recursive: true, force: true });
  rmSync(join(dist, 'packages'), { recursive: true, force: true });
  const virtual = {
    name: 'virtual',
    setup: (plugins) => {
      plugins.onResolve({ filter: /^(group|package):/ }, ({ path }) => ({ path, namespace: 'virtual' }));
      plugins.onLoad({ filter: /.*/, namespace: 'virtual' }, async ({ path }) => {
        const [kind, name] = path.split(/:(.*)/);
        const contents = kind === 'group' ? groupText(name) : await packageText(name);
        return { contents, resolveDir: dist };
      });
    },
  };
  return bundle(
    {
      entryPoints: [
        ...programs.map((file) => ({ in: join(dist, file), out: file.replace(/\.js$/, '') })),
        ...Object.keys(groups).map((group) => ({ in: `group:${group}`, out: `chunks/${group}` })),
        ...[...packages].map(([name, file]) => ({ in: `package:${name}`, out: file.replace(/\.js$/, '') })),
      ],
      chunkNames: 'chunks/[hash]',
      external: unbundled,
      allowOverwrite: true,
      sourcemap: true,
      sourcesContent: false,
    },
    virtual,
  );
}

/** The name in a group for what a module exports. */
function nameInGroup(file, name) {
  return `${file.replace(/\.js$/, '').replaceAll(/\W/g, '_')}$${name}`;
}

function groupText(group) {
  return groups[group]
    .map((file) => {
      const names = exportsOf.get(file).map((name) => `${name} as ${nameInGroup(file, name)}`);
      return `export { ${names.join(', ')} } from './${file}';`;
    })
    .join('\n');
}

async function packageText(name) {
  const names = Object.keys(await import(name)).filter((one) => /^\w+$/.test(one));
  return `export { ${names.join(', ')} } from '${name}';`;
}

/** Makes CommonJS modules of the chunks, which `loadChunk` loads. */
async function convertChunks() {
  const files = readdirSync(join(dist, 'chunks')).filter((file) => file.endsWith('.js'));
  for (const file of files) {
    // Exports never change, so they need no getters, which esbuild would make.
    const text = textOf(`chunks/${file}`)
      .replaceAll('import.meta.url', '$chunkUrl')
      .replace(
        /^export \{([^}]*)\};(?=\s*(\/\/# sourceMappingURL=\S+\s*)?$)/m,
        (_, names) => `$exports = {${names.replaceAll(/([\w$]+) as ([\w$]+)/g, '$2: $1')}};`,
      );
    writeFileSync(join(dist, 'chunks', file), text);
  }
  await build({
    entryPoints: files.map((file) => join(dist, 'chunks', file)),
    outdir: join(dist, 'chunks'),
    outExtension: { '.js': '.cjs' },
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
    banner: {
      js:
        '"use strict"; const $chunkUrl = require("node:url").pathToFileURL(__filename).href; ' +
        'const $import = module.importModule ?? ((path) => import(path)); let $exports = {};',
    },
    footer: { js: 'module.exports = $exports;' },
  });
  for (const file of files) {
    const chunk = `chunks/${file.replace(/js$/, 'cjs')}`;
    const text = textOf(chunk).replaceAll(/(require\("\.\/\w+\.)js"\)/g, '$1cjs")');
    const withImports = text.replaceAll(/\bimport\((?!path\))/g, '$$import(');
    // Regular expressions and comments are not ASCII yet.
    const escaped = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
    writeFileSync(join(dist, chunk), withImports.replaceAll(/[\u0080-\uffff]/g, escaped));
    for (const old of [file, `${file}.map`]) rmSync(join(dist, 'chunks', old));
  }
  for (const file of [...programs, ...packages.values()]) {
    const text = textOf(file).replaceAll(
      /^import(?: \{([^}]*)\} from)? "\.\.\/chunks\/(\w+)\.js";$/gm,
      (_, names = '', chunk) => `const {${names.replaceAll(' as ', ': ')}} = loadChunk('${chunk}');`,
    );
    writeFileSync(join(dist, file), withLoader(file, text));
  }
}

/** The text of a module that uses `loadChunk`. Its lines keep their numbers. */
function withLoader(file, text) {
  const path = relative(dirname(file), 'codeCache.js');
  const [, hashbang, rest] = /^(#![^\n]*\n)?(.*)$/s.exec(text);
  return `${hashbang ?? ''}import { loadChunk } from '${path.startsWith('.') ? path : `./${path}`}'; ${rest}`;
}

/** Replaces a module by its exports from its group. */
function writeForwarder(file) {
  const names = exportsOf.get(file).map((name) => `${nameInGroup(file, name)}: ${name}`);
  const text = `export const { ${names.join(', ')} } = loadChunk('${modules.get(file)}');\n`;
  writeFileSync(join(dist, file), withLoader(file, text));
  rmSync(join(dist, `${file}.map`), { force: true });
}

/** Has the other modules import the copies of packages that the chunks use. */
function redirectPackages() {
  for (const file of readdirSync(dist, { recursive: true })) {
    if (
      !file.endsWith('.js') ||
      modules.has(file) ||
      /^(chunks|packages|report\/(browser|scripts))\//.test(file)
    )
      continue;
    const text = textOf(file);
    const redirected = text.replaceAll(/(\bfrom |\bimport\()'([^'.]+)'/g, (whole, before, name) =>
      packages.has(name)
        ? `${before}'${relative(dirname(join('/', file)), join('/', packages.get(name)))}'`
        : whole,
    );
    if (redirected !== text) writeFileSync(join(dist, file), redirected);
  }
}

function writeLicenses() {
  const folders = new Set(
    Object.keys(metafile.inputs).flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []),
  );
  const texts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
    return `${name} ${version} (${license})\n\n${file ? readFileSync(join(folder, file), 'utf8') : ''}`;
  });
  writeFileSync(join(dist, 'chunks/LICENSES.txt'), texts.join(`\n${'-'.repeat(80)}\n\n`));
}

/** Runs esbuild. Dynamic imports stay as they are. All outputs are one folder deep, as their paths expect. */
async function bundle(options, ...plugins) {
  const modulesOfOurs = {
    name: 'modules',
    setup: (hooks) => {
      hooks.onResolve({ filter: /.*/ }, ({ kind, path, importer }) => {
        const file = path.startsWith('.') ? relative(dist, resolve(dirname(importer), path)) : undefined;
        if (separate.includes(file)) return { path: `../${file}`, external: true };
        if (kind !== 'dynamic-import') return undefined;
        const target = file ?? packages.get(path);
        return { path: target ? `../${target}` : path, external: true };
      });
      hooks.onLoad({ filter: /^.*\/dist\/.*\.js$/ }, ({ path }) =>
        path.startsWith(`${dist}/`) ? { contents: moduleText(relative(dist, path)) } : undefined,
      );
    },
  };
  const result = await build({
    ...options,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    conditions: ['module'],
    metafile: true,
    outdir: dist,
    logLevel: 'warning',
    plugins: [...plugins, modulesOfOurs],
  });
  return result.metafile;
}

/**
 * The text of a module for another folder: its URL is that of its own file. Functions and classes keep their
 * names where esbuild renames them, because tasks and errors of threads are found by name.
 */
function moduleText(file) {
  const text = textOf(file).replaceAll('import.meta.url', `new URL('../${file}', import.meta.url).href`);
  const names = [...text.matchAll(/^export (?:async )?(?:function\*?|class) (\w+)/gm)].map(
    ([, name]) => name,
  );
  return [text, ...names.map((name) => `Object.defineProperty(${name}, 'name', { value: '${name}' });`)].join(
    '\n',
  );
}

function textOf(file) {
  return readFileSync(join(dist, file), 'utf8');
}
