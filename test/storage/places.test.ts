import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  addressInside,
  checkPlace,
  folderOf,
  joinPlace,
  nameInside,
  nameOf,
  unsignedPlace,
} from '#src/address.js';
import { makeCase } from '#src/case.js';
import { partialSuffix } from '#src/formats/aside.js';
import { hideSignatures } from '#src/mask.js';
import { findModel } from '#src/models/findModel.js';
import { loadRegistry } from '#src/pipeline/extensions.js';
import { FolderCopy } from '#src/pipeline/folderCopy.js';
import { itemFingerprint, stateOf } from '#src/pipeline/journal.js';
import { loadPipeline } from '#src/pipeline/load.js';
import { sortOut } from '#src/pipeline/resume.js';
import { runPipeline } from '#src/pipeline/run.js';
import { listCases } from '#src/pipeline/select.js';
import { datalist } from '#src/sources/datalist.js';
import { decathlon } from '#src/sources/decathlon.js';
import { isRefused, type SourceItem } from '#src/sources/define.js';
import { glob } from '#src/sources/glob.js';
import { localCopy } from '#src/storage/cache.js';
import { storage } from '#src/storage/define.js';
import { registerStorage } from '#src/storage/index.js';
import { listPlace, readSmall, statPlace, writePlace } from '#src/storage/places.js';
import { version } from '#src/version.js';
import { bandModel, temporaryFolder } from '../e2e/harness.js';
import { tarMember } from '../formats/buildTar.js';
import { cheapRun, resultsIn } from '../queue/cheapRun.js';

process.env['VOXSTREAM_CACHE'] = temporaryFolder();

/** What a web server has, by path, and what it does. */
const files = new Map<string, Buffer>();
const requests: string[] = [];
let ranges = true;
let cut = 0;
const server = createServer((request, response) => {
  const path = decodeURIComponent((request.url ?? '').split('?')[0]);
  requests.push(`${path} ${request.headers.range}`);
  const found = files.get(request.url ?? '') ?? files.get(path);
  const dates = { ETag: `"${found?.length}"`, 'Last-Modified': 'Thu, 01 Jan 2026 00:00:00 GMT' };
  const whole = path.startsWith('/undated') ? {} : dates;
  if (path === '/busy') response.writeHead(503).end();
  else if (path === '/secret') response.writeHead(403).end();
  else if (!found) response.writeHead(404).end();
  else {
    const [, start, end] = (ranges && /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '')) || [];
    const body = start === undefined ? found : found.subarray(Number(start), Number(end) + 1);
    const range = { 'Content-Range': `bytes ${start}-${end}/${found.length}` };
    response.writeHead(start === undefined ? 200 : 206, {
      ...whole,
      'Content-Length': body.length,
      ...(start !== undefined && range),
    });
    if (body.length > 1 && cut > 0) {
      cut--;
      response.write(body.subarray(0, body.length / 2), () => response.destroy());
    } else response.end(body);
  }
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
test.after(() => {
  server.close();
  server.closeAllConnections();
});

const messageOf = (work: Promise<unknown>) =>
  work.then(
    () => '',
    (error: Error) => error.message,
  );
const all = async (
  source: { configure: (options: never) => unknown },
  options: object,
): Promise<SourceItem[]> => {
  const { built } = source.configure(options as never) as { built: { open(): AsyncIterable<SourceItem> } };
  return listCases(built.open());
};

test('places are joined and taken apart, whether they are paths or addresses', () => {
  assert.is(joinPlace('s3://b/set', 'imagesTr/ä b.nii'), 's3://b/set/imagesTr/ä b.nii');
  assert.is(joinPlace('https://h/set?sig=1', 'a b.nii'), 'https://h/set/a%20b.nii?sig=1');
  assert.is(joinPlace(join('set', 'x'), 'y'), join('set', 'x', 'y'));
  assert.is(nameOf('https://h/a/ct.nii.gz?sig=1/2'), 'ct.nii.gz');
  assert.is(folderOf('s3://b/a/c'), 's3://b/a');
  assert.is(folderOf('s3://b'), 's3://b');
  assert.is(nameInside('https://h/set', 'https://h/set/a%20b.nii'), 'a b.nii');
  const file = join(temporaryFolder(), 'a {case}*.nii');
  assert.is(checkPlace(pathToFileURL(file).href), file);
  assert.throws(
    () => checkPlace('https://me:word@host/x'),
    (error: Error) => /user name/.test(error.message) && !/word/.test(error.message.split('password')[0]),
  );
});

test('entries of a dataset stay inside of its address', () => {
  for (const root of ['s3://b/set', 'https://h/set']) {
    const inside = (entry: string) => addressInside(root, entry);
    assert.is(inside('./imagesTr/../labelsTr/a.nii'), `${root}/labelsTr/a.nii`);
    assert.is(inside('imagesTr\\a.nii'), `${root}/imagesTr/a.nii`);
    assert.is(inside(`${root}/a.nii`), `${root}/a.nii`);
    const outside = [
      '../other/a.nii',
      'x/../../other',
      '/etc/passwd',
      'C:\\x',
      's3://other/a',
      `${root}2/a`,
      `${root}/../a`,
    ];
    for (const entry of [...outside, 'file:///etc/passwd', '..\\a', '.'])
      assert.is(inside(entry), undefined, entry);
  }
  assert.is(addressInside('https://h/set', '..%2Fother'), 'https://h/set/..%252Fother');
});

test('signatures and passwords are hidden', () => {
  assert.is(
    hideSignatures('Read "https://h/x.nii?X-Amz-Signature=ab%2F1&b=2". And s3://b/x?y, http://me:pw@h/z.'),
    'Read "https://h/x.nii?***". And s3://b/x?y, http://***@h/z.',
  );
});

test('files that differ only in the query are different files, however they are signed', async () => {
  const [one, two] = ['one', 'two'].map((text) => Buffer.from(text));
  files.set('/file?id=1', one);
  files.set('/file?id=2', two);
  // Size, tag and time of both are equal.
  for (const [id, content] of [
    [1, one],
    [2, two],
    [1, one],
  ] as const) {
    const copy = await localCopy(`${address}/file?id=${id}`);
    assert.equal(readFileSync(copy.path), content);
    await copy.release();
  }
  const of = (query: string) =>
    itemFingerprint(makeCase({ id: 'a', files: { image: `https://h/file${query}` } }));
  assert.is.not(of('?id=1'), of('?id=2'));
  assert.is(of('?id=1&X-Amz-Signature=ab&X-Amz-Date=1'), of('?id=1&X-Amz-Signature=cd&X-Amz-Date=2'));
  assert.is(unsignedPlace('https://h/a%20b.nii?sig=x&se=1#part'), 'https://h/a%20b.nii');
  for (const place of ['/data/a?b.nii', 's3://bucket/a?sig=b']) assert.is(unsignedPlace(place), place);
});

test('a file whose server states neither a time nor a tag is read each time, and never counts as unchanged', async () => {
  const undated = `${address}/undated.nii`;
  const tags = new Set<string | undefined>();
  for (const text of ['one', 'two']) {
    files.set('/undated.nii', Buffer.from(text));
    const copy = await localCopy(undated);
    assert.is(readFileSync(copy.path, 'utf8'), text);
    tags.add(copy.info.tag);
    await copy.release();
  }
  assert.is(tags.size, 2);

  const item = makeCase({ id: 'a', files: { image: undated } });
  const reasonAfter = async (path: string, contents: boolean) => {
    const inputs = await stateOf([path], contents);
    const about = { case: 'a', version, pipeline: 'p', dataset: itemFingerprint(item) };
    const entry = { ...about, inputs, outputs: [], metrics: [], timings: {}, volumes: {} };
    const expected = { identity: 'p', contents, targetsOf: () => [] };
    return (await sortOut([item], new Map([['a', entry]]), expected)).todo[0]?.reason;
  };
  assert.match(String(await reasonAfter(undated, false)), /undated\.nii may have changed.*--resume=checksum/);
  assert.is(await reasonAfter(undated, true), undefined);
});

test('web servers are read with ranges, without them, and through connections that break', async () => {
  const noise = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 7919) % 251));
  files.set('/noise bin', noise);
  cut = 3;
  assert.equal(await readSmall(`${address}/noise%20bin?sig=secret`), noise);
  assert.is(cut, 0);
  assert.match(requests.at(-1) ?? '', /bytes=1\d+-199999$/, 'it went on where the connection broke');
  ranges = false;
  assert.equal(await readSmall(`${address}/noise%20bin`), noise);
  ranges = true;
  files.set('/empty', Buffer.alloc(0));
  assert.equal(await readSmall(`${address}/empty`), Buffer.alloc(0));
  assert.is(await statPlace(`${address}/none`), undefined);
  assert.match(
    await messageOf(statPlace(`${address}/secret?sig=1`)),
    /\/secret cannot be read: the server answers 403 Forbidden, i\.e\. access is denied/,
  );
  assert.match(
    await messageOf(statPlace(`${address}/busy`)),
    /answers 503 Service Unavailable, i\.e\. the server is overloaded/,
  );
  assert.match(
    await messageOf(writePlace(`${address}/x`, noise)),
    /cannot be written: web servers are read only/,
  );
  assert.match(
    await messageOf(localCopy(`${address}/ct.mhd`)),
    /is a header whose voxels are in another file/,
  );
});

test('datasets of web servers are read: lists, Decathlon folders and tar archives', async () => {
  const list = {
    labels: { 0: 'background', 1: 'spleen' },
    training: [{ image: './imagesTr/a b.nii', label: './labelsTr/a b.nii' }, { image: '../../other.nii' }],
    test: [],
  };
  files.set('/set/dataset.json', Buffer.from(JSON.stringify(list)));
  files.set(
    '/set.tar',
    Buffer.concat([tarMember('set/dataset.json', JSON.stringify(list)), Buffer.alloc(1024)]),
  );
  for (const root of [`${address}/set`, `${address}/set.tar`]) {
    const [first, second] = await all(decathlon, { root, split: 'all', validation: 0 });
    const start = root.endsWith('.tar') ? `${root}/set` : root;
    assert.equal(!isRefused(first) && 'files' in first && first.files, {
      image: `${start}/imagesTr/a%20b.nii`,
      label: `${start}/labelsTr/a%20b.nii`,
    });
    assert.is(first.id, 'a b');
    assert.match(
      isRefused(second) ? second.refused : '',
      /is "\.\.\/\.\.\/other\.nii", which is outside the dataset's folder http/,
    );
  }
  files.set('/list.csv', Buffer.from('image,id\nct/1.nii,one\nhttps://elsewhere/2.nii,two\n'));
  const [one, two] = await all(datalist, { path: `${address}/list.csv?sig=1` });
  assert.equal('files' in one && one.files, { image: `${address}/ct/1.nii?sig=1` });
  assert.match(isRefused(two) ? two.refused : '', /outside the dataset's folder/);
  assert.match(
    await messageOf(all(glob, { image: `${address}/in/*.nii.gz` })),
    /web servers have no listings/,
  );
});

test('a model is read from a web server', async () => {
  for (const name of readdirSync(bandModel))
    files.set(`/models/band/${name}`, readFileSync(join(bandModel, name)));
  const [here, there] = [await findModel(bandModel), await findModel(`${address}/models/band`)];
  assert.is(there.sha256, here.sha256);
  assert.equal(there.card, here.card);
  assert.match(
    await messageOf(findModel(`${address}/models/none`)),
    /There is no model at http:.*none: it is neither/,
  );
});

test('a name in a bucket that leads out of its folder is refused before anything is copied', async () => {
  const keys = ['out/run.json', 'out/../../run.json'];
  const hostile = storage({
    scheme: 'hostile',
    stat: async () => ({ size: 2, modified: 1 }),
    read: async () => (async function* () {})(),
    list: async function* () {
      for (const key of keys) yield { path: `hostile://bucket/${key}`, size: 2, modified: 1 };
    },
  });
  registerStorage(hostile);
  const said = await messageOf(listPlace('hostile://bucket/out'));
  assert.match(said, /hostile:\/\/bucket\/out contains .*run\.json.*, whose name leads out of the folder/);
});

test('the copy of a folder stands for no object with another name, and is not empty where it cannot be listed', async () => {
  const keys = ['a', 'x//a', 'x/./a', `b${partialSuffix}`, 'x/b'];
  const written: string[] = [];
  registerStorage(
    storage({
      scheme: 'odd',
      stat: async () => ({ size: 1, modified: 1 }),
      read: async () => Readable.from([Buffer.of(1)]),
      list: async function* () {
        for (const key of keys) yield { path: `odd://bucket/out/${key}`, size: 1, modified: 1 };
      },
      write: async (place) => void written.push(place),
    }),
  );
  const copy = await FolderCopy.make('odd://bucket/out', { listed: true });
  assert.equal([...copy.there.keys()], ['a', 'x/b']);
  await copy.bring(copy.there.keys());
  writeFileSync(join(copy.path, 'new'), 'x');
  const sent = await copy.sendAll();
  assert.equal(sent.map((file) => copy.nameOf(file)).sort(), ['a', 'new', 'x/b']);
  assert.equal(written, ['odd://bucket/out/new']);
  await copy.remove();
  assert.match(await messageOf(copy.sendAll()), /ENOENT/);
});

test('a package adds a kind of place, which runs read from and write to', async () => {
  const { pipeline: file, predictions } = await cheapRun(3);
  const root = temporaryFolder();
  const module = join(root, 'memory.mjs');
  writeFileSync(
    module,
    `import { readFileSync, writeFileSync, statSync, rmSync, readdirSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
const at = (place) => place.replace('shelf://', ${JSON.stringify(`${root}/shelf/`)});
const stat = async (place) => {
  const found = statSync(at(place), { throwIfNoEntry: false });
  return found?.isFile() ? { size: found.size, modified: found.mtimeMs } : undefined;
};
const shelf = {
  kind: 'storage',
  scheme: 'shelf',
  stat,
  read: async (place, { start, end }) => [readFileSync(at(place)).subarray(start, end)],
  async *list(folder) {
    let names = [];
    try { names = readdirSync(at(folder), { recursive: true }); } catch {}
    for (const name of names) {
      const path = folder + '/' + name;
      const found = await stat(path);
      if (found) yield { path, ...found };
    }
  },
  async write(place, content) {
    mkdirSync(dirname(at(place)), { recursive: true });
    writeFileSync(at(place), content instanceof Uint8Array ? content : readFileSync(content.file));
  },
  remove: async (place) => rmSync(at(place), { force: true }),
};
export default { storages: [shelf] };
`,
  );
  const registry = await loadRegistry([module]);
  const run = async (...set: string[]) => runPipeline(await loadPipeline([file], { set, registry }));
  await run(`output=${join(root, 'disk')}`);
  for (const folder of ['pred', 'label']) {
    mkdirSync(join(root, 'shelf/set', folder), { recursive: true });
    for (const name of readdirSync(join(predictions, '..', folder))) {
      writeFileSync(
        join(root, 'shelf/set', folder, name),
        readFileSync(join(predictions, '..', folder, name)),
      );
    }
  }
  const { done } = await run(
    'source.pred=shelf://set/pred',
    'source.label=shelf://set/label',
    'output=shelf://out',
  );
  assert.is(done, 3);
  assert.equal(resultsIn(join(root, 'shelf/out')), resultsIn(join(root, 'disk')));
  const [found] = await all(glob, {
    image: 'shelf://set/{pred,x}/**/{case}_000.n*i',
    label: 'shelf://set/label/{case}_000.nii',
  });
  assert.equal('files' in found && found.files, {
    image: 'shelf://set/pred/ct_000.nii',
    label: 'shelf://set/label/ct_000.nii',
  });
});

test.run();
