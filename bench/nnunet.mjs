// Times nnU-Net's standard network (features 32 to 320, 31 million weights, random) and nnU-Net's whole chain
// on a CT of 512 x 512 x 200 voxels: voxstream's `nnunet predict` and bench/pytorch_nnunet.py, alternating in
// one run, each case in a process of its own. Without python3-torch it cannot make the model and stops.
//
//   npm run build && node bench/nnunet.mjs [--rounds 1] [--windows 2] [--features 32] [--classes 3]
//     [--size 512,512,200] [--spacing 0.7,0.7,1.6] [--target 1.5] [--only windows|case] [--steps] [--ours]
//   node bench/nnunet.mjs --features 2 --only folder --cases 4,20
//
// The time of a case runs from opening its file to the written segmentation. It excludes starting the process
// and loading the model, which "whole process" includes. voxstream's model is imported and rewritten for this
// machine before the first round, as the very first run on a machine does; its time is printed. --features 2
// makes a network that takes next to no time: what is left is the chain around it. The model's voxels are of
// --target mm: with 1.5 mm, the default CT has 27 windows, with 2 mm 8. --ours leaves PyTorch out. --device
// is voxstream's (cuda, webgpu); PyTorch runs on CUDA then.
// With --only folder, voxstream runs folders of several CTs of 256 x 256 x 60 voxels, the last two of them
// cut off, and its peak memory is printed.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine, median, runWatched, table } from './processes.mjs';

const { values: args } = parseArgs({
  options: {
    rounds: { type: 'string', default: '1' },
    windows: { type: 'string', default: '2' },
    features: { type: 'string', default: '32' },
    classes: { type: 'string', default: '3' },
    size: { type: 'string', default: '512,512,200' },
    spacing: { type: 'string', default: '0.7,0.7,1.6' },
    target: { type: 'string', default: '1.5' },
    device: { type: 'string', default: 'cpu' },
    python: { type: 'string', default: '/usr/bin/python3' },
    only: { type: 'string', default: '' },
    steps: { type: 'boolean', default: false },
    ours: { type: 'boolean', default: false },
    cases: { type: 'string', default: '4,20' },
  },
});
const script = fileURLToPath(new URL('pytorch_nnunet.py', import.meta.url));
const cli = fileURLToPath(new URL('../dist/cli/index.js', import.meta.url));
const { readVolume } = await import('../dist/formats/index.js');
const { writeNifti } = await import('../dist/formats/writeNifti.js');
const { makePhantom } = await import('../dist/synth/phantom.js');

const folder = mkdtempSync(join(tmpdir(), 'voxstream-bench-'));
const trained = join(folder, 'Dataset999_Bench/nnUNetTrainer__nnUNetPlans__3d_fullres');
const env = { OMP_NUM_THREADS: '2', XDG_CACHE_HOME: join(folder, 'cache') };
try {
  await main();
} finally {
  rmSync(folder, { recursive: true });
}

async function main() {
  const { python, features, classes, target } = args;
  const version = execFileSync(python, ['-c', 'import torch; print(torch.__version__)'], {
    encoding: 'utf8',
  });
  console.log(`${machine()}, PyTorch ${version.trim()}`);
  const made = ['--features', features, '--classes', classes, '--spacing', target];
  execFileSync(python, [script, '--make', trained, ...made]);
  const started = performance.now();
  const mm = Number(target);
  await phantom('warmup', [128, 128, 128], [mm, mm, mm]);
  await predict('warmup');
  const first = (performance.now() - started) / 1000;
  console.log(`voxstream's very first run, which imports and rewrites the model: ${first.toFixed(1)} s`);
  const wanted = (part) => args.only === '' || args.only === part;
  if (wanted('windows')) await timeWindows();
  if (wanted('case')) await timeCase();
  if (args.only === 'folder') for (const count of args.cases.split(',')) await runFolder(Number(count));
}

/** A folder with one synthetic CT. */
async function phantom(name, size, spacing) {
  mkdirSync(join(folder, name));
  const { image } = makePhantom({ seed: 0, size, spacing });
  await writeNifti(join(folder, name, 'ct_0000.nii.gz'), image, { dtype: 'int16' });
}

/** The network alone, on windows that do not overlap. */
async function timeWindows() {
  const count = Number(args.windows);
  const mm = Number(args.target);
  await phantom('windows', [128, 128, 128 * count], [mm, mm, mm]);
  const options = ['--model', trained, '--windows', args.windows];
  await rounds(`one window of 128 x 128 x 128 of ${count}`, ['network (s)'], {
    async PyTorch() {
      const { lines, peak } = await runWatched(args.python, [script, ...options], { env });
      return { network: JSON.parse(lines[0]).ms_per_window_median / 1000, peak };
    },
    async voxstream() {
      const { network, peak } = await predict('windows', '-step_size', '1');
      return { network: network / count, peak };
    },
  });
}

async function timeCase() {
  const size = args.size.split(',').map(Number);
  const spacing = args.spacing.split(',').map(Number);
  await phantom('case', size, spacing);
  const parts = ['total (s)', 'pre (s)', 'network (s)', 'post (s)', 'process (s)', 'processor (s)'];
  await rounds(`a CT of ${size.join(' x ')} voxels of ${spacing.join(' x ')} mm`, parts, {
    async PyTorch() {
      const paths = [
        '--image',
        join(folder, 'case/ct_0000.nii.gz'),
        '--out',
        join(folder, 'reference.nii.gz'),
      ];
      const { lines, seconds, peak, cpu } = await runWatched(
        args.python,
        [script, '--model', trained, ...paths, '--device', args.device === 'cpu' ? 'cpu' : 'cuda'],
        {
          env,
        },
      );
      const { pre_s: pre, infer_s: network, post_s: post, total_s: total } = JSON.parse(lines[0]);
      return { total, pre, network, post, process: seconds, processor: cpu, peak };
    },
    voxstream: () => predict('case'),
  });
  if (!args.ours) await compareLabels();
}

/** Runs a folder of cases, of which the last two are cut off. */
async function runFolder(count) {
  const name = `folder${count}`;
  await phantom(name, [256, 256, 60], [1.4, 1.4, 4]);
  const whole = readFileSync(join(folder, name, 'ct_0000.nii.gz'));
  rmSync(join(folder, name, 'ct_0000.nii.gz'));
  for (let i = 0; i < count; i++) {
    const content = i < count - 2 ? whole : whole.subarray(0, whole.length / 2);
    writeFileSync(join(folder, name, `ct${i}_0000.nii.gz`), content);
  }
  const events = [];
  const command = [cli, 'nnunet', 'predict', '-i', join(folder, name), '-o', join(folder, `${name}-out`)];
  const options = ['-m', trained, '-device', args.device, '--disable_tta', '--json'];
  const { seconds, peak } = await runWatched(process.execPath, [...command, ...options], {
    env,
    onLine: (line) => events.push(JSON.parse(line)),
    // Cases failed.
    codes: [2],
  });
  const ended = (kind) => events.filter(({ event }) => event === kind).length;
  console.log(
    `${count} cases: ${ended('caseDone')} done, ${ended('caseFailed')} failed, ${seconds.toFixed(0)} s, ${peak.toFixed(0)} MiB`,
  );
}

/** Runs `nnunet predict` on a folder: the seconds of its case and of the process, and the peak in MiB. */
async function predict(name, ...more) {
  const events = [];
  const { seconds, peak, cpu } = await runWatched(
    process.execPath,
    [
      ...[
        cli,
        'nnunet',
        'predict',
        '-i',
        join(folder, name),
        '-o',
        join(folder, `${name}-out`),
        '-m',
        trained,
      ],
      ...['-device', args.device, '--disable_tta', '--json', ...more],
    ],
    { env, onLine: (line) => events.push(JSON.parse(line)) },
  );
  const steps = events.filter(({ event }) => event === 'step');
  const of = (pattern) =>
    steps.filter(({ step }) => pattern.test(step)).reduce((sum, { seconds: part }) => sum + part, 0);
  if (args.steps) for (const { step, seconds: part } of steps) console.log(`  ${step}: ${part.toFixed(2)} s`);
  const { seconds: total } = events.find(({ event }) => event === 'caseDone');
  const [pre, network] = [
    of(/^(load|permuteAxes|cropNonzero|normalizeByPlans|resampleByPlans)/),
    of(/^inference/),
  ];
  return { total, pre, network, post: total - pre - network, process: seconds, processor: cpu, peak };
}

/** Runs both in turns and prints a table of medians; the order changes from round to round. */
async function rounds(title, parts, runners) {
  const results = [];
  for (let round = 0; round < Number(args.rounds); round++) {
    const order = Object.entries(runners).filter(([who]) => who !== 'PyTorch' || !args.ours);
    if (round % 2 === 1) order.reverse();
    const result = {};
    for (const [who, run] of order) {
      result[who] = await run();
      const told = Object.entries(result[who]).map(([part, value]) => `${part} ${value.toFixed(2)}`);
      console.log(`${who}: ${told.join(', ')}`);
    }
    results.push(result);
  }
  if (args.ours) return;
  const row = (part) => {
    const key = part.split(' ')[0];
    const [theirs, ours] = ['PyTorch', 'voxstream'].map((who) => median(results.map((one) => one[who][key])));
    const ratio = median(results.map(({ PyTorch, voxstream }) => PyTorch[key] / voxstream[key]));
    return [part, theirs.toFixed(1), ours.toFixed(1), ratio.toFixed(1)];
  };
  console.log(
    `\n${table([[title, 'PyTorch', 'voxstream', 'ratio'], ...[...parts, 'peak (MiB)'].map(row)])}\n`,
  );
}

/** Half precision sums decide voxels whose logits are close to each other. */
async function compareLabels() {
  const [theirs, ours] = await Promise.all(
    ['reference.nii.gz', 'case-out/ct.nii.gz'].map((name) =>
      readVolume(join(folder, name), { kind: 'label' }),
    ),
  );
  let differing = 0;
  for (let i = 0; i < ours.data.length; i++) if (ours.data[i] !== theirs.data[i]) differing++;
  const share = ((100 * differing) / ours.data.length).toFixed(3);
  console.log(
    `${differing} of ${ours.data.length} voxels differ (${share} %): random weights, and half precision there.`,
  );
}
