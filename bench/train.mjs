// Times training steps of the spleen network on the CPU (batch 2 of 96^3, Dice and cross entropy, Adam) and
// the same steps in PyTorch, alternating in one run, each in a separate process. Prints seconds per patch and
// peak resident memory, and their ratios.
//
//   npm run build && node bench/train.mjs [--model DIR] [--rounds 3] [--steps 4] [--device cpu]
//     [--reference SCRIPT]
//
// DIR contains model.pt. The reference script prints {"s_per_patch_median": ..., "peak_rss_mb": ...}.
// Processor time is printed next to wall time because it is more reliable on a busy machine.
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const shared = fileURLToPath(new URL('../../shared/', import.meta.url));
const { values: args } = parseArgs({
  options: {
    model: { type: 'string', default: join(shared, 'models/spleen_demo') },
    reference: { type: 'string', default: join(shared, 'bench/pytorch_reference.py') },
    python: { type: 'string', default: '/usr/bin/python3' },
    rounds: { type: 'string', default: '3' },
    steps: { type: 'string', default: '4' },
    device: { type: 'string', default: 'cpu' },
    train: { type: 'boolean', default: false },
  },
});
const checkpoint = join(args.model, 'model.pt');
if (args.train) await train();
else compare();

function compare() {
  const threads = availableParallelism();
  const run = (command, list) => {
    const out = execFileSync(command, list, {
      encoding: 'utf8',
      env: { ...process.env, OMP_NUM_THREADS: String(threads) },
    });
    return JSON.parse(out.trim().split('\n').at(-1));
  };
  const rounds = { PyTorch: [], voxstream: [] };
  console.log(
    `${cpus()[0].model}, ${threads} threads, ${args.steps} steps of 2 patches of 96 x 96 x 96 a round`,
  );
  for (let round = 0; round < Number(args.rounds); round++) {
    rounds.PyTorch.push(
      run(args.python, [args.reference, '--model', checkpoint, '--train-steps', args.steps]),
    );
    const own = ['--train', '--model', args.model, '--steps', args.steps, '--device', args.device];
    rounds.voxstream.push(run(process.execPath, [fileURLToPath(import.meta.url), ...own]));
    const [a, b] = [rounds.PyTorch[round], rounds.voxstream[round]];
    console.log(
      `PyTorch ${a.s_per_patch_median} s per patch, ${a.peak_rss_mb} MB; voxstream ${b.s_per_patch_median} s ` +
        `(${b.cpu_s_per_patch} s of processors), ${b.peak_rss_mb} MB; ratios ${ratio(a, b, 's_per_patch_median')} of ` +
        `time, ${ratio(a, b, 'peak_rss_mb')} of memory`,
    );
  }
  for (const key of ['s_per_patch_median', 'peak_rss_mb']) {
    const ratios = rounds.PyTorch.map((a, round) => ratio(a, rounds.voxstream[round], key));
    console.log(`voxstream / PyTorch, ${key}, median of rounds: ${middle(ratios)}`);
  }
}

async function train() {
  const { createTrainer } = await import('../dist/train/trainer.js');
  const { checkpointToTrain } = await import('../dist/train/trainableModel.js');
  const { diceCELoss } = await import('../dist/onnx/training/losses.js');
  const { adam } = await import('../dist/onnx/training/optimizers.js');
  const network = {
    in_channels: 1,
    out_channels: 2,
    channels: [16, 32, 64, 128, 256],
    strides: [2, 2, 2, 2],
  };
  const model = await checkpointToTrain('UNet', { ...network, num_res_units: 2, norm: 'batch' }, checkpoint);
  const trainer = await createTrainer({
    ...model,
    loss: diceCELoss({ softmax: true, squaredPred: true, batch: true, lambdaDice: 0.5, lambdaCe: 0.5 }),
    optimizer: adam({ learningRate: 1 }),
    patch: [96, 96, 96],
    batchSize: 2,
    device: args.device,
  });
  const image = Float32Array.from({ length: 2 * 96 ** 3 }, Math.random);
  const label = Uint8Array.from(image, (_, i) => Number(Math.sin(i / 300) > 0.5));
  const [times, work] = [[], []];
  for (let step = 0; step <= Number(args.steps); step++) {
    const begin = performance.now();
    const before = process.cpuUsage();
    await trainer.step({ image, label }, { learningRate: 1e-4 });
    const { user, system } = process.cpuUsage(before);
    times.push((performance.now() - begin) / 2000);
    work.push((user + system) / 2e6);
  }
  await trainer.close();
  const { maxRSS } = process.resourceUsage();
  console.log(
    JSON.stringify({
      s_per_patch_median: Number(middle(times.slice(1)).toFixed(3)),
      cpu_s_per_patch: Number(middle(work.slice(1)).toFixed(3)),
      peak_rss_mb: Math.round(maxRSS / 1024),
    }),
  );
}

function ratio(a, b, key) {
  return Number((b[key] / a[key]).toFixed(2));
}

function middle(list) {
  const sorted = list.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}
