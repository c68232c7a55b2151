import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateSync, gzipSync } from 'node:zlib';
import { DataError, VoxError } from '#src/errors.js';
import { MultipartError, multipartParts } from '#src/formats/dicomweb/multipart.js';
import { readGrid, readVolume } from '#src/formats/index.js';
import { indexTar } from '#src/formats/tar.js';
import { ZipArchive } from '#src/formats/zip.js';
import { readCard } from '#src/models/card.js';
import { readRegistry } from '#src/models/registry.js';
import { parseCheckpoint } from '#src/onnx/checkpoint/readCheckpoint.js';
import { readModel, writeModel } from '#src/onnx/modelFile.js';
import { loadPipeline } from '#src/pipeline/load.js';
import { readMetrics } from '#src/pipeline/readMetrics.js';
import { type ServedReport, serveReport } from '#src/report/serve.js';
import { loadModel } from '#src/runtime/loadModel.js';
import { datalist } from '#src/sources/datalist.js';
import { decathlon } from '#src/sources/decathlon.js';
import type { Random } from '#src/volume/random.js';
import { makeVolume } from '#src/volume/volume.js';
import { temporaryFolder } from '../e2e/harness.js';
import { buildNifti } from '../formats/buildNifti.js';
import { tarMember } from '../formats/buildTar.js';
import {
  buildDicom,
  fragmentsOf,
  pixelsOf,
  rleFrame,
  sliceSet,
  syntaxes,
} from '../formats/dicom/buildDicom.js';
import { buildZip } from '../onnx/checkpoint/buildCheckpoint.js';
import { mutate, mutateText } from './mutate.js';
import { mutateModel } from './mutateModel.js';

/** A parser of foreign bytes. */
export interface Target {
  /** Sound files. They are damaged, and pieces of them are put into each other. */
  readonly seeds: readonly Uint8Array[];
  /** The name that a file has when it is read. */
  readonly name: string;
  /** How a file is damaged. Default: `mutate`. */
  readonly damage?: (seed: Uint8Array, random: Random, seeds: readonly Uint8Array[]) => Uint8Array;
  /** Reads a file: it ends in a value, or in a VoxError. */
  readonly read: (file: string) => unknown;
}

const root = fileURLToPath(new URL('../../../', import.meta.url));
const fixture = (path: string) => readFileSync(join(root, 'test/fixtures', path));
const format = (name: string) => fixture(`formats/${name}`);
const pipelines = join(root, 'pipelines');

/** No seed has as many voxels; a header that claims more must be refused before memory is taken. */
const maxBytes = 1 << 24;

async function readImage(file: string): Promise<void> {
  await readGrid(file);
  await readVolume(file, { kind: 'image', maxBytes });
  await readVolume(file, { kind: 'label', maxBytes });
}

async function readAll(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}

const voxels = Buffer.from(Int16Array.from({ length: 12 }, (_, i) => i).buffer);

const nrrdHead = (encoding: string) =>
  `NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 3 2 2\nencoding: ${encoding}\n` +
  'space directions: (-1,0,0) (0,-2,0) (0,0,3)\nspace origin: (1,2,3)\nkinds: domain domain domain\nendian: little\n\n';
const metaHead = (compressed: string) =>
  'ObjectType = Image\nNDims = 3\nDimSize = 3 2 2\nElementType = MET_SHORT\nElementSpacing = 1 2 3\n' +
  `Offset = 1 2 3\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nBinaryDataByteOrderMSB = False\n${compressed}` +
  'ElementDataFile = LOCAL\n';
const bytesOf = (head: string, body: Uint8Array) => Buffer.concat([Buffer.from(head), body]);

const dicomSeeds = Object.values(syntaxes).map((syntax) => {
  const rle = syntax === syntaxes.rle;
  const pixels = { '7fe00010 OW': rle ? undefined : pixelsOf(0, syntax === syntaxes.bigEndian) };
  return buildDicom(sliceSet(0, pixels), syntax, rle ? fragmentsOf(rleFrame(pixelsOf(0))) : undefined);
});

/** Damages one member of an archive and gives it a right checksum, or damages the archive. */
const damageMembers: Target['damage'] = (seed, random, seeds) => {
  if (random.integer(3) === 0) return mutate(seed, random, seeds);
  const archive = new ZipArchive(seed);
  const members = archive.names.map((name) => ({ name, data: archive.read(name, 1 << 20) }));
  const chosen = random.integer(4) > 0 ? 'data.pkl' : members[random.integer(members.length)].name;
  return buildZip(
    members.map((one) =>
      one.name.endsWith(chosen) ? { ...one, data: mutate(one.data, random, [one.data]) } : one,
    ),
  );
};

/** A report with one case, served. */
async function startServer(): Promise<ServedReport> {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'report/cases/a'), { recursive: true });
  writeFileSync(join(folder, 'report/index.html'), '<!doctype html><html><head></head><body></body></html>');
  writeFileSync(join(folder, 'report/cases/a/image.png'), 'png');
  writeFileSync(join(folder, 'secret.txt'), secret);
  const image = join(folder, 'a.nii');
  writeFileSync(image, buildNifti());
  const note = { case: 'a', planes: [], image, grey: true, masks: [], window: null, labels: [] };
  const cases = [{ id: 'a', metrics: [], timings: {}, note }];
  return serveReport(join(folder, 'report'), { cases, run: {} });
}
const secret = 'it must not leave this machine';
let server: Promise<ServedReport> | undefined;

/** Stops the server of the target `http`, which otherwise keeps the process alive. */
export async function stopServer(): Promise<void> {
  await (await server)?.close();
  server = undefined;
}

/** Sends a file to the report's server as it is. The server must answer a proper request afterwards. */
async function request(file: string): Promise<void> {
  server ??= startServer();
  const { url } = await server;
  const { port, host } = new URL(url);
  const bytes = Buffer.from(readFileSync(file, 'latin1').replace('Host: HOST', `Host: ${host}`), 'latin1');
  const answer = await new Promise<string>((done, fail) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('close', () => done(Buffer.concat(chunks).toString('latin1')));
    // A server may close a connection that sends nonsense before it has read everything.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') fail(error);
    });
    socket.end(bytes);
  });
  if (answer !== '' && !/^HTTP\/1\.1 (2\d\d|304|4\d\d) /.test(answer)) {
    throw new Error(`the server answered ${JSON.stringify(answer.slice(0, 200))}`);
  }
  if (answer.includes(secret)) throw new Error('the server sent a file from outside of the report');
  const { status } = await fetch(url, { method: 'HEAD' });
  if (status !== 200) throw new Error(`the server then answers ${status}`);
  if (answer.startsWith('HTTP/1.1 4')) throw new VoxError(answer.slice(0, 200));
}

const http = (target: string, ...headers: string[]) =>
  Buffer.from([`GET ${target} HTTP/1.1`, 'Host: HOST', 'Connection: close', ...headers, '', ''].join('\r\n'));

/** Loads a model into ONNX Runtime and slides it over a small volume. */
async function runModel(file: string): Promise<void> {
  const runnable = { file, axes: 'xyz', difference: false } as const;
  const model = await loadModel(runnable, 'cpu', { stepTimeout: 30, collectGarbage: false });
  try {
    const volume = makeVolume({ data: new Float32Array(16 ** 3).fill(50), size: [16, 16, 16] });
    const axes = <T>(value: T): readonly [T, T, T] => [value, value, value];
    const windows = { roiSize: axes(8), overlap: axes(0.25), sigmaScale: axes(0.125), cval: 0 };
    await model.infer(volume, { ...windows, mode: 'constant', paddingMode: 'constant' }, 1);
  } finally {
    await model.close();
  }
}

const multipart = (before: string, after: string) => Buffer.from(`${before}abc${after}`);

/** Bytes as they arrive from a network. */
async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
}

const text = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

/** All parsers of foreign bytes, by name. */
export const targets: Readonly<Record<string, Target>> = {
  nifti: {
    name: 'a.nii',
    seeds: [
      buildNifti(),
      buildNifti({ version: 2, datatype: 16 }),
      buildNifti({ littleEndian: false, datatype: 64, slope: 2, inter: -1 }),
      buildNifti({ sform: { code: 1, rows: [1, 0, 0, 5, 0, 2, 0, 6, 0, 0, 3, 7] } }),
    ],
    read: readImage,
  },
  'nifti.gz': {
    name: 'a.nii.gz',
    seeds: [buildNifti(), buildNifti({ version: 2 })].map((bytes) => gzipSync(bytes)),
    damage: (seed, random, seeds) =>
      random.integer(2) === 0
        ? mutate(seed, random, seeds)
        : gzipSync(mutate(buildNifti(), random, [buildNifti({ version: 2 })])),
    read: readImage,
  },
  nrrd: {
    name: 'a.nrrd',
    seeds: [bytesOf(nrrdHead('raw'), voxels), bytesOf(nrrdHead('gzip'), gzipSync(voxels))],
    damage: mutateText,
    read: readImage,
  },
  mgh: { name: 'a.mgh', seeds: ['channels.mgh', 'bytes.mgh'].map(format), read: readImage },
  'mgh.gz': { name: 'a.mgz', seeds: ['oblique.mgz', 'labels.mgz'].map(format), read: readImage },
  tiff: {
    name: 'a.tif',
    seeds: ['stack.tif', 'big.tif', 'deflated.tif'].map(format),
    read: (file) => readGrid({ file, spacing: [1, 1, 1] }),
  },
  metaImage: {
    name: 'a.mha',
    seeds: [bytesOf(metaHead(''), voxels), bytesOf(metaHead('CompressedData = True\n'), deflateSync(voxels))],
    damage: mutateText,
    read: readImage,
  },
  dicom: {
    name: 'a.dcm',
    seeds: dicomSeeds,
    // The preamble is not read.
    damage: (seed, random, seeds) =>
      Buffer.concat([seed.subarray(0, 132), mutate(seed.subarray(132), random, seeds)]),
    read: (file) => readVolume({ series: [file] }, { kind: 'image', maxBytes }),
  },
  multipart: {
    name: 'answer',
    seeds: [
      multipart('--edge\r\nContent-Type: application/dicom\r\n\r\n', '\r\n--edge--\r\n'),
      multipart('preamble\r\n--edge  \r\nContent-Length: 3\r\n\r\n', '\r\n--edge\r\n\r\n\r\n--edge--'),
    ],
    async read(file) {
      try {
        for await (const { content } of multipartParts(inPieces(readFileSync(file)), 'edge')) {
          for await (const _ of content);
        }
      } catch (error) {
        throw error instanceof MultipartError ? new DataError(error.message) : error;
      }
    },
  },
  tar: {
    name: 'a.tar',
    seeds: [
      Buffer.concat([
        tarMember('Task/imagesTr/a.nii.gz', gzipSync(buildNifti())),
        tarMember('Task/labelsTr/a.nii.gz', gzipSync(buildNifti())),
        tarMember(
          'Task/dataset.json',
          '{"training":[{"image":"imagesTr/a.nii.gz","label":"labelsTr/a.nii.gz"}]}',
        ),
        tarMember('PaxHeader', '30 mtime=1600000000.123456789\n', 'x'),
        tarMember('././@LongLink', `${'long/'.repeat(30)}name\0`, 'L'),
        tarMember('short', 'text'),
        Buffer.alloc(1024),
      ]),
    ],
    async read(file) {
      const index = await indexTar(file);
      for (const name of [...index.keys()].filter((one) => /\.nii(\.gz)?$/.test(one)))
        await readVolume(join(file, name), { kind: 'image', maxBytes });
      await readAll(decathlon({ root: file }));
    },
  },
  zip: {
    name: 'a.pt',
    seeds: [fixture('networks/unet_bare.pt'), fixture('checkpoints/types.pt')],
    read: (file) => {
      const archive = new ZipArchive(readFileSync(file));
      for (const name of archive.names) archive.read(name, 1 << 20);
    },
  },
  pickle: {
    name: 'a.pt',
    seeds: [
      ...['networks/unet_bare.pt', 'checkpoints/training.pt', 'checkpoints/types.pt'].map(fixture),
      ...['checkpoints/script.pt', 'packagings/torchscript.pt'].map(fixture),
    ],
    damage: damageMembers,
    read: (file) => parseCheckpoint(readFileSync(file), file),
  },
  'pickle.legacy': {
    name: 'a.pt',
    seeds: [fixture('packagings/legacy.pt'), fixture('checkpoints/old.pt')],
    read: (file) => parseCheckpoint(readFileSync(file), file),
  },
  safetensors: {
    name: 'a.safetensors',
    seeds: [fixture('packagings/plain.safetensors')],
    damage: (seed, random, seeds) => {
      const head = seed.subarray(0, 4000);
      return Buffer.concat([mutateText(head, random, seeds), seed.subarray(head.length)]);
    },
    read: (file) => parseCheckpoint(readFileSync(file), file),
  },
  onnx: {
    name: 'a.onnx',
    seeds: [fixture('models/spleen_band/model.onnx'), ...onnxFixtures()],
    read: (file) => writeModel(readModel(readFileSync(file), file)),
  },
  'onnx.run': {
    name: 'a.onnx',
    seeds: [fixture('models/spleen_band/model.onnx')],
    damage: mutateModel,
    read: runModel,
  },
  'dataset.json': {
    name: 'dataset.json',
    seeds: [
      text({
        name: 'a',
        labels: { 0: 'background', 1: 'spleen' },
        training: [{ image: './imagesTr/a.nii.gz', label: './labelsTr/a.nii.gz' }],
        test: ['./imagesTs/b.nii.gz'],
      }),
      text({
        channel_names: { 0: 'CT' },
        labels: { background: 0, whole: [1, 2], core: '2', ignore: 3 },
        file_ending: '.nii.gz',
        numTraining: 1,
        dataset: { a: { images: ['imagesTr/a_0000.nii.gz'], label: 'labelsTr/a.nii.gz' } },
      }),
    ],
    damage: mutateText,
    read: (file) => readAll(decathlon({ root: dirname(file) })),
  },
  'datalist.json': {
    name: 'a.json',
    seeds: [text({ validation: [{ image: 'a.nii', label: 'b.nii', id: 'a' }, 'c.nii'] }), text(['a.nii'])],
    damage: mutateText,
    read: (file) => readAll(datalist({ path: file })),
  },
  'datalist.csv': {
    name: 'a.csv',
    seeds: [
      text('id,image,label\na,a.nii,"b.nii"\nc,d.nii,\n'),
      text('\ufeffsep=;\r\nImage;age\r\n.\\x\\a.nii;3\r\n'),
      Buffer.from('\ufeffimage\tlabel\na.nii\tb.nii\n', 'utf16le'),
    ],
    damage: mutateText,
    read: (file) => readAll(datalist({ path: file })),
  },
  'metrics.csv': {
    name: 'metrics.csv',
    seeds: [text('case,dice_spleen,hd95_spleen,seconds\na,0.95,3.5,1\n"b,c",,inf,2\n')],
    damage: mutateText,
    read: readMetrics,
  },
  'card.json': {
    name: 'metadata.json',
    seeds: [fixture('models/spleen_band/metadata.json')],
    damage: mutateText,
    read: (file) => readCard(dirname(file)),
  },
  'registry.json': {
    name: 'registry.json',
    seeds: [readFileSync(join(root, 'models/registry.json'))],
    damage: mutateText,
    read: readRegistry,
  },
  pipeline: {
    name: 'a.yaml',
    seeds: readdirSync(pipelines)
      .filter((name) => name.endsWith('.yaml'))
      .map((name) => readFileSync(join(pipelines, name))),
    damage: mutateText,
    read: (file) => loadPipeline([file]),
  },
  http: {
    name: 'request',
    seeds: [
      http('/'),
      http('/cases/a/image.png', 'Range: bytes=0-10', 'Accept-Encoding: gzip'),
      http('/../secret.txt'),
      http('/%2e%2e/secret.txt', 'If-None-Match: "a"', 'Cookie: a=b'),
      http('/3d/image?case=a'),
      http('/3d/viewer.js'),
      http('/3d/?case=a', 'Content-Length: 3', 'Transfer-Encoding: chunked'),
    ],
    damage: mutateText,
    read: request,
  },
};

function onnxFixtures(): Buffer[] {
  const files = readdirSync(join(root, 'test/fixtures/onnx'), { recursive: true }).map(String);
  return files.filter((name) => name.endsWith('.onnx')).map((name) => fixture(`onnx/${name}`));
}

/** The folder of files that once broke a parser. A file's name begins with its target's. */
export const findings = join(root, 'test/fixtures/fuzz');

/** Reads bytes with a target's parser, as a file in an otherwise empty folder. */
export async function readBytes({ name, read }: Target, bytes: Uint8Array, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, name);
  writeFileSync(file, bytes);
  await read(file);
}

/** Keeps a file that broke a parser. */
export function keepFinding(target: string, bytes: Uint8Array): void {
  mkdirSync(findings, { recursive: true });
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 8);
  writeFileSync(join(findings, `${target}~${digest}`), bytes);
}
