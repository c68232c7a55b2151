import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readVolume } from '#src/formats/index.js';
import { synthDataset } from '#src/synth/dataset.js';
import { bandModel, root, temporaryFolder } from './harness.js';

const folder = temporaryFolder();
cpSync(join(root, 'examples/typescript'), folder, {
  recursive: true,
  filter: (path) => !/typescript\/(node_modules|dist)/.test(path),
});
mkdirSync(join(folder, 'node_modules/@types'), { recursive: true });
symlinkSync(root, join(folder, 'node_modules/voxstream'));
for (const name of ['rxjs', '@types/node'])
  symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
await synthDataset(join(folder, 'data'), {
  ...{ cases: 2, testCases: 0, seed: 4, size: [32, 32, 16], labels: 'spleen' },
});
writeFileSync(
  join(folder, 'p.yaml'),
  `vars: { dataset: none }
source: { decathlon: { root: '\${dataset}', validation: 0 } }
steps:
  - load
  - scaleIntensityRange: { aMin: -57, aMax: 164, bMin: 0, bMax: 1, clip: true, keys: image }
  - inference: { model: '${bandModel}', roiSize: 16 }
  - asDiscrete: { argmax: true }
sinks:
  - nifti: { keys: pred, postfix: '' }
runtime: { device: cpu }
`,
);

test('the TypeScript examples compile and run', async () => {
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder], {
    stdio: 'inherit',
  });
  const run = (name: string, ...args: string[]) => {
    const ended = spawnSync(process.execPath, [`dist/${name}.js`, ...args], {
      cwd: folder,
      encoding: 'utf8',
    });
    assert.is(ended.status, 0, ended.stderr);
    return ended.stdout;
  };
  assert.match(
    run('runPipeline', 'p.yaml', 'data', 'out'),
    /^synth_001: done in [\s\S]*2 done, 0 failed\n$/m,
  );
  assert.match(run('runPipeline', 'p.yaml', 'data', 'out'), /^0 done, 0 failed\n$/, 'it resumes');
  const table = run('measure', 'out', 'data/labelsTr');
  assert.match(table, /^dice_\w+ +\d [\s\S]*^hd95_\w+ +\d /m, table);
  run('ownStep', 'data/imagesTr/*.nii.gz', 'soft');
  const { data } = await readVolume(join(folder, 'soft/synth_001_soft.nii.gz'), { kind: 'image' });
  assert.equal([Math.min(...data), Math.max(...data)], [-160, 240]);
});

test('the page of the examples lists all of them', () => {
  const page = readFileSync(join(root, 'examples/README.md'), 'utf8');
  for (const name of readdirSync(join(root, 'examples/typescript/src')))
    assert.ok(page.includes(`(typescript/src/${name})`), name);
});

test.run();
