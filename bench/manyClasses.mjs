// Measures the peak memory of a model of many classes: SegResNet with 105 classes and random weights, as in
// MONAI's bundle wholeBody_ct_segmentation, on a CT of noise. It prints the estimate, the peak resident
// memory of the whole process and the time.
//
//   npm run build && node bench/manyClasses.mjs [--size 400,400,500] [--spacing 1.08] [--device cpu]
//
// The default spacing in mm gives 29.9 million voxels at 1.5 mm, whose logits would take 12.5 GB.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeNifti } from '../dist/formats/writeNifti.js';
import { newNetwork } from '../dist/onnx/builders/buildNetwork.js';
import { writeModel } from '../dist/onnx/modelFile.js';
import { Random } from '../dist/volume/random.js';
import { makeVolume } from '../dist/volume/volume.js';

const { values: args } = parseArgs({
  options: {
    size: { type: 'string', default: '400,400,500' },
    spacing: { type: 'string', default: '1.08' },
    device: { type: 'string', default: 'cpu' },
  },
});
const size = args.size.split(',').map(Number);
const spacing = Number(args.spacing);
const folder = mkdtempSync(join(tmpdir(), 'voxstream-bench-'));
try {
  await writeCt(join(folder, 'ct.nii.gz'));
  writeSegResNet(join(folder, 'model'));
  writeFileSync(join(folder, 'pipeline.json'), JSON.stringify(pipeline()));
  await run();
} finally {
  rmSync(folder, { recursive: true });
}

/** The published configuration of the bundle (version 0.2.5), at 1.5 mm. */
function pipeline() {
  return {
    output: join(folder, 'out'),
    source: { glob: { image: join(folder, 'ct.nii.gz') } },
    steps: [
      'load',
      { orient: { axcodes: 'RAS' } },
      { spacing: { pixdim: [1.5, 1.5, 1.5] } },
      { normalizeIntensity: { nonzero: true } },
      { scaleIntensity: { minv: -1, maxv: 1 } },
      {
        inference: {
          model: join(folder, 'model'),
          roiSize: [96, 96, 96],
          overlap: 0.25,
          mode: 'gaussian',
          paddingMode: 'replicate',
        },
      },
      { activations: { softmax: true } },
      { asDiscrete: { argmax: true } },
      { invert: { nearestInterp: true } },
    ],
    sinks: ['nifti'],
    runtime: { device: args.device },
  };
}

/** Smooth noise in the range of a CT, int16. */
async function writeCt(file) {
  const random = new Random(1);
  const wave = size.map((n) => Float64Array.from({ length: n }, () => random.normal(0, 150)));
  const data = new Int16Array(size[0] * size[1] * size[2]);
  let at = 0;
  for (const z of wave[2]) for (const y of wave[1]) for (const x of wave[0]) data[at++] = x + y + z;
  const affine = [spacing, 0, 0, 0, 0, spacing, 0, 0, 0, 0, spacing, 0, 0, 0, 0, 1];
  await writeNifti(file, makeVolume({ data, size, affine }), { dtype: 'int16' });
}

function writeSegResNet(to) {
  const config = {
    ...{ spatial_dims: 3, in_channels: 1, out_channels: 105, init_filters: 32 },
    ...{ blocks_down: [1, 2, 2, 4], blocks_up: [1, 1, 1] },
  };
  mkdirSync(to);
  writeFileSync(join(to, 'model.onnx'), writeModel(newNetwork('SegResNet', config, 1)));
  const card = {
    name: 'wholeBody',
    input: { channels: 1, patch: [96, 96, 96] },
    output: { channels: 105 },
  };
  writeFileSync(join(to, 'metadata.json'), JSON.stringify(card));
}

async function run() {
  const cli = fileURLToPath(new URL('../dist/cli/index.js', import.meta.url));
  const begin = performance.now();
  const child = spawn(process.execPath, [cli, ...['run', join(folder, 'pipeline.json'), '--json']]);
  child.stderr.pipe(process.stderr);
  let peak = 0;
  let lines = '';
  child.stdout.on('data', (chunk) => {
    lines += chunk;
  });
  const timer = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
    } catch {
      // The process has ended.
    }
  }, 200);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearInterval(timer);
  const events = lines.split('\n').flatMap((line) => (line ? [JSON.parse(line)] : []));
  const estimate = events.find(({ event }) => event === 'caseStart')?.memory / 2 ** 20;
  console.log(
    `${cpus()[0].model}, ${availableParallelism()} processors, device ${args.device}, exit code ${code}`,
  );
  console.log(
    `${size.join(' x ')} voxels of ${spacing} mm: estimate of the case's voxels ${estimate.toFixed()} MiB`,
  );
  console.log(
    `peak resident memory ${peak.toFixed()} MiB, ${((performance.now() - begin) / 1000).toFixed()} s`,
  );
  for (const { event, step, seconds, message } of events) {
    if (event === 'step') console.log(`${step}: ${seconds.toFixed(1)} s`);
    else if (message) console.log(message);
  }
}
