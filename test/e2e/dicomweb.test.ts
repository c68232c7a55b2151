import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSegmentationNode } from '@itk-wasm/dicom';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { listInstances, listSeries, listStudies } from '#src/formats/dicomweb/qido.js';
import { serverAt } from '#src/formats/dicomweb/server.js';
import { downloadInstance } from '#src/formats/dicomweb/wado.js';
import { readVolume } from '#src/formats/index.js';
import { shared, sharedPath, testNeeding } from '../needs.js';
import { bandModel, root, temporaryFolder, voxstream } from './harness.js';
import { type Orthanc, orthanc, startOrthanc } from './orthanc.js';
import { putSpleenSeries } from './spleenSeries.js';

/** Sends the files of a folder to a server. */
async function push(server: Orthanc, folder: string): Promise<void> {
  for (const name of readdirSync(folder)) {
    const { ok, status } = await server.request('/instances', readFileSync(join(folder, name)));
    assert.ok(ok, `${name}: ${status}`);
  }
}

/** The only result in a folder with this ending. */
function resultIn(folder: string, ending: string): string {
  const found = readdirSync(folder).filter((name) => name.endsWith(ending));
  assert.is(found.length, 1, found.join());
  return join(folder, found[0]);
}

testNeeding(orthanc, 'a series is read from Orthanc, and its results are stored there', async () => {
  const server = await startOrthanc();
  try {
    const [series, folder] = [temporaryFolder(), temporaryFolder()];
    putSpleenSeries(series);
    await push(server, series);
    const shipped = parse(readFileSync(join(root, 'pipelines/spleen-dicom.yaml'), 'utf8'));
    const place = { url: server.url, tokenEnv: 'TEST_ORTHANC' };
    const output = join(folder, 'out');
    const pipeline = {
      ...shipped,
      output,
      vars: { model: bandModel },
      source: { dicomweb: { ...place, query: { PatientID: 'SECRET-7' }, modality: 'CT' } },
      sinks: [
        { nifti: { keys: 'pred', postfix: 'seg' } },
        { dicomweb: { ...place, objects: ['seg', 'rtstruct'] } },
      ],
    };
    const file = join(folder, 'p.json');
    writeFileSync(file, JSON.stringify(pipeline));
    const env = { TEST_ORTHANC: server.authorization };
    const run = (given: NodeJS.ProcessEnv = env) =>
      voxstream(['run', file, '--device', 'cpu', '--overwrite'], given);
    const { code, stdout, stderr } = await run();
    assert.is(code, 0, stdout + stderr);
    assert.not.match(stdout + stderr, server.authorization);

    process.env.TEST_ORTHANC = server.authorization;
    const client = serverAt(server.url, 'TEST_ORTHANC');
    const [study] = await listStudies(client, { PatientID: 'SECRET-7' });
    const resultsOf = async (modality: string) => {
      const [listed, ...others] = await listSeries(client, study, modality);
      assert.equal(others, []);
      const [one, ...more] = await listInstances(client, listed);
      assert.equal(more, []);
      return { ...listed, ...one };
    };
    const seg = await resultsOf('SEG');
    const contours = await resultsOf('RTSTRUCT');
    const fetched = join(folder, 'seg.dcm');
    await downloadInstance(client, seg, fetched, { bytes: 1e6, left: 1e6 });
    const { segImage } = await readSegmentationNode(fetched);
    const expected = await readVolume(resultIn(output, '_seg.nii.gz'), { kind: 'label' });
    // A SEG holds the slices from the first that has a voxel to the last.
    const [nx, ny, nz] = segImage.size;
    const pixels = nx * ny;
    const first = Math.floor(expected.data.findIndex((value) => value > 0) / pixels);
    const voxels = segImage.data as unknown as Uint8Array;
    assert.equal([...voxels], [...expected.data.subarray(first * pixels, (first + nz) * pixels)]);
    assert.ok(voxels.some((value) => value > 0));
    assert.is(
      expected.data.subarray((first + nz) * pixels).every((value) => value === 0),
      true,
    );

    // Another run makes the same objects.
    assert.is((await run()).code, 0);
    assert.is((await resultsOf('SEG')).instance, seg.instance);
    assert.is((await resultsOf('RTSTRUCT')).instance, contours.instance);

    // The stored segmentation is read as the label of its series.
    const labels = {
      name: 'labels',
      output: join(folder, 'labels'),
      source: { dicomweb: { ...place, studies: [study], modality: 'CT', label: seg.series } },
      steps: ['load'],
      sinks: [{ nifti: { keys: 'label', postfix: 'label' } }],
    };
    const labelsFile = join(folder, 'labels.json');
    writeFileSync(labelsFile, JSON.stringify(labels));
    const again = await voxstream(['run', labelsFile], env);
    assert.is(again.code, 0, again.stderr);
    const label = await readVolume(resultIn(labels.output, '_label.nii.gz'), { kind: 'label' });
    assert.equal([label.size, label.affine], [expected.size, expected.affine]);
    assert.equal([...label.data], [...expected.data]);

    const refused = await run({ TEST_ORTHANC: 'Basic d3Jvbmc6d3Jvbmc=' });
    assert.is(refused.code, 1);
    assert.match(refused.stderr, /answers 401 .*does not accept the token in TEST_ORTHANC \(tokenEnv\)/);
  } finally {
    await server.stop();
  }
});

testNeeding(
  [orthanc, shared('dicom')],
  'compressed and enhanced series come as they are stored',
  async () => {
    const server = await startOrthanc();
    try {
      const names = ['40_rle', '31_enhanced_shuffled', '41_jpegls'];
      for (const name of names) {
        const files = sharedPath(`dicom/${name}/files`);
        await push(server, files);
        const folder = temporaryFolder();
        const sinks = [{ nifti: { keys: 'image', postfix: '' } }];
        const readAll = async (source: object, output: string) => {
          const file = join(folder, 'p.json');
          writeFileSync(file, JSON.stringify({ name, output, source, steps: ['load'], sinks }));
          const { code, stderr } = await voxstream(['run', file], { TEST_ORTHANC: server.authorization });
          assert.is(code, 0, stderr);
          return readVolume(resultIn(output, '.nii.gz'), { kind: 'image' });
        };
        const place = { url: server.url, tokenEnv: 'TEST_ORTHANC' };
        const remote = await readAll(
          { dicomweb: { ...place, query: { PatientID: 'P1' } } },
          join(folder, 'remote'),
        );
        const local = await readAll({ dicom: { root: files } }, join(folder, 'local'));
        assert.equal([remote.size, remote.affine], [local.size, local.affine]);
        assert.ok(remote.data.every((value, i) => value === local.data[i]));
        const studies: string[] = await (await server.request('/studies')).json();
        for (const id of studies) await server.remove(`/studies/${id}`);
      }
    } finally {
      await server.stop();
    }
  },
);

test.run();
