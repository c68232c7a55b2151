import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadPipelineTexts } from '#src/pipeline/load.js';
import { runPipeline } from '#src/pipeline/run.js';
import { listCases } from '#src/pipeline/select.js';
import { bids } from '#src/sources/bids.js';
import { dicom } from '#src/sources/dicom.js';
import { temporaryFolder } from '../e2e/harness.js';
import { tarMember } from '../formats/buildTar.js';
import { buildDicom, sliceSet } from '../formats/dicom/buildDicom.js';
import { buildZip } from '../onnx/checkpoint/buildCheckpoint.js';
import { resultsIn } from '../queue/cheapRun.js';
import { bucket, startS3 } from './s3Server.js';

const server = await startS3();
const cache = temporaryFolder();
Object.assign(process.env, server.env, { VOXSTREAM_CACHE: cache });
test.after(() => server.close());

/** Puts files into a folder, and under the same names into the bucket: as they are, and in archives. */
async function putEverywhere(
  name: string,
  files: Readonly<Record<string, Buffer | string>>,
): Promise<string> {
  const root = join(temporaryFolder(), name);
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), content);
    await server.put(`${name}/${file}`, content);
  }
  const members = Object.entries(files).map(([file, content]) => tarMember(file, content));
  await server.put(`${name}.tar`, Buffer.concat([...members, Buffer.alloc(1024)]));
  const zipped = Object.entries(files).map(([file, content]) => ({ name: file, data: Buffer.from(content) }));
  await server.put(`${name}.zip`, buildZip(zipped));
  return root;
}

/** The items of a source, with `root` in place of the dataset's path or address. */
async function itemsOf(
  source: { configure(options: never): { built?: { open(): AsyncIterable<unknown> } } },
  options: { readonly root: string; readonly label?: string },
): Promise<unknown> {
  const { built } = source.configure(options as never);
  assert.ok(built);
  const items = await listCases(built.open() as Parameters<typeof listCases>[0]);
  return JSON.parse(JSON.stringify(items).replaceAll(options.root, 'root'));
}

const places = (name: string) => ['', '.tar', '.zip'].map((ending) => `s3://${bucket}/${name}${ending}`);

test('a dataset in BIDS at an address gives the cases that it gives on a disk', async () => {
  const mask = 'derivatives/parts/sub-02/ses-1/anat/sub-02_ses-1_dseg.nii.gz';
  const root = await putEverywhere('ds1', {
    'dataset_description.json': '{}',
    'sub-01/anat/sub-01_T1w.nii.gz': '',
    'sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz': '',
    'derivatives/parts/dseg.tsv': 'index\tname\n1\tleft\n',
    [mask]: '',
  });
  const expected = await itemsOf(bids, { root, label: 'dseg' });
  assert.match(JSON.stringify(expected), /"labelNames":\{"1":"left"\}/);
  for (const place of places('ds1')) {
    assert.equal(await itemsOf(bids, { root: place, label: 'dseg' }), expected, place);
  }
});

test('DICOM series at addresses are read, and only their headers when they are listed', async () => {
  const files: Record<string, Buffer> = {};
  for (let z = 0; z < 3; z++) files[`a/ct/I${z}`] = buildDicom(sliceSet(z));
  for (let z = 0; z < 3; z++) files[`b/J${z}`] = buildDicom(sliceSet(z, { '0020000e UI': '1.5' }));
  files['b/copy'] = files['b/J0'];
  files['a/.hidden'] = Buffer.from('x');
  files['b/notes.txt'] = Buffer.from('no image');
  const root = await putEverywhere('incoming', files);
  const expected = await itemsOf(dicom, { root });
  assert.match(JSON.stringify(expected), /root\/a\/ct\/I0.*"a_ct_s3".*root\/b\/J0.*"b_s3"/);
  server.requests.length = 0;
  for (const place of places('incoming'))
    assert.equal(await itemsOf(dicom, { root: place }), expected, place);
  assert.ok(!server.requests.some((one) => one.startsWith('GET /data/incoming/') && !one.includes('bytes=')));
  const web = `${server.env['AWS_ENDPOINT_URL_S3']}/${bucket}/incoming.tar`;
  assert.equal(await itemsOf(dicom, { root: web }), expected, web);

  const run = async (place: string, output: string) => {
    const text = `source: { dicom: { root: '${place}' } }
steps: [load, { spatialPad: { spatialSize: [16, 16, 16] } }, { cache: { memory: 1KiB } }, { spacing: { pixdim: [2, 2, 2] } }]
sinks: [{ nifti: { keys: image } }]
runtime: { workers: 1 }
`;
    const set = [`output=${output}`];
    const result = await runPipeline(await loadPipelineTexts([{ name: 'dicom.yaml', text }], { set }));
    assert.equal(result.failures, []);
    return resultsIn(output);
  };
  const disk = await run(root, join(root, 'out'));
  const cached = () => readdirSync(join(cache, 'cases'));
  const known = cached();
  for (const place of places('incoming'))
    assert.equal(await run(place, join(root, `out${place.slice(-4)}`)), disk);
  const all = cached();
  assert.is(all.length, known.length + 6, 'the operator cache keeps cases by their addresses');
  const [place] = places('incoming');
  await run(place, join(root, 'again'));
  assert.equal(cached(), all, 'they are found again');
  await server.put('incoming/a/ct/I0', buildDicom(sliceSet(0, { '00281052 DS': 5 })));
  const changed = await run(place, join(root, 'changed'));
  assert.not.equal(changed, disk);
  assert.is(cached().length, all.length + 1, 'a changed object is another case');
});

test.run();
