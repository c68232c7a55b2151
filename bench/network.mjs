// Times the network alone, per window: voxstream's cpu form of a model and the exported model, in one
// single-threaded session per processor, and PyTorch with as many threads, alternating in one run. Prints a
// line per round, then medians, minima and the ratio.
//
//   npm run build && node bench/network.mjs [--model DIR] [--rounds 5] [--windows 16] [--reference SCRIPT]
//
// DIR contains model.onnx and model.pt. The reference script prints {"ms_per_window_median": ..., "min":
// ...}.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

if (isMainThread) await main();
else await serve();

async function main() {
  const shared = fileURLToPath(new URL('../../shared/', import.meta.url));
  const { values: args } = parseArgs({
    options: {
      model: { type: 'string', default: join(shared, 'models/spleen_demo') },
      reference: { type: 'string', default: join(shared, 'bench/pytorch_reference.py') },
      python: { type: 'string', default: '/usr/bin/python3' },
      rounds: { type: 'string', default: '5' },
      windows: { type: 'string', default: '16' },
    },
  });
  const { optimizeModel } = await import('../dist/onnx/optimize.js');
  const windows = Number(args.windows);
  const threads = availableParallelism();
  const folder = mkdtempSync(join(tmpdir(), 'voxstream-bench-'));
  try {
    const exported = join(args.model, 'model.onnx');
    const bytes = readFileSync(exported);
    const rewrite = async (head, name) => {
      const model = await optimizeModel(bytes, { target: 'cpu', roiSize: [96, 96, 96], head });
      const file = join(folder, name);
      writeFileSync(file, model.bytes);
      console.log(
        `${name}: ${model.passes.join(', ')}; largest difference ${model.maxDifference.toExponential(1)}`,
      );
      return file;
    };
    const runners = {
      'voxstream, one channel': await sessions(await rewrite('difference', 'difference.onnx'), threads),
      'voxstream, two logits': await sessions(await rewrite('logits', 'logits.onnx'), threads),
      'as exported': await sessions(exported, threads),
    };
    const times = { PyTorch: [], ...Object.fromEntries(Object.keys(runners).map((name) => [name, []])) };
    console.log(`${cpus()[0].model}, ${threads} threads, ${windows} windows of 96 x 96 x 96 a round`);
    for (let round = 0; round < Number(args.rounds); round++) {
      times.PyTorch.push(pytorch(args, threads));
      for (const [name, all] of Object.entries(runners)) times[name].push(await timeWindows(all, windows));
      console.log(
        Object.entries(times)
          .map(([name, list]) => `${name} ${list.at(-1).toFixed(1)} ms`)
          .join(', '),
      );
    }
    const middle = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
    for (const [name, list] of Object.entries(times)) {
      const ratios = list.map((value, round) => times.PyTorch[round] / value);
      console.log(
        `${name}: median ${middle(list).toFixed(1)} ms per window, min ${Math.min(...list).toFixed(1)} ms, ` +
          `PyTorch / this in the same round: median ${middle(ratios).toFixed(2)}`,
      );
    }
    for (const all of Object.values(runners)) await Promise.all(all.map((worker) => worker.terminate()));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function pytorch({ python, reference, model, windows }, threads) {
  const out = execFileSync(python, [reference, '--model', join(model, 'model.pt'), '--windows', windows], {
    env: { ...process.env, OMP_NUM_THREADS: String(threads) },
    encoding: 'utf8',
  });
  return JSON.parse(out).ms_per_window_median;
}

/** One worker thread per processor, each with a single-threaded session after a warm-up run. */
function sessions(file, count) {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { file } });
      await answer(worker);
      return worker;
    }),
  );
}

/** Milliseconds of wall time per window when all sessions take windows until none is left. */
async function timeWindows(workers, windows) {
  const next = new Int32Array(new SharedArrayBuffer(4));
  const begin = performance.now();
  for (const worker of workers) worker.postMessage({ next, windows });
  await Promise.all(workers.map(answer));
  return (performance.now() - begin) / windows;
}

function answer(worker) {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

async function serve() {
  const ort = await import('onnxruntime-node');
  const session = await ort.InferenceSession.create(workerData.file, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const data = Float32Array.from({ length: 96 ** 3 }, Math.random);
  const run = () =>
    session.run({ [session.inputNames[0]]: new ort.Tensor('float32', data, [1, 1, 96, 96, 96]) });
  await run();
  parentPort.on('message', async ({ next, windows }) => {
    while (Atomics.add(next, 0, 1) < windows) await run();
    parentPort.postMessage('done');
  });
  parentPort.postMessage('ready');
}
