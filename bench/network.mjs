// Times networks alone, per window: voxstream's cpu form and the exported model, in one single-threaded
// session per processor, and PyTorch with as many threads where there is a script for it, alternating in one
// run. Prints a line per round and network, then a table of medians: milliseconds of wall time and of
// processor time per window.
//
//   npm run build
//   node bench/network.mjs [--model DIR ...] [--rounds 5] [--windows 16] [--reference SCRIPT]
//   node bench/network.mjs --network swinunetr --network segresnetds [--layers]
//   node bench/network.mjs --all --rounds 1 --windows 4
//
// DIR contains model.onnx, and model.pt if it is a MONAI UNet, which the reference runs; or config.json and
// its checkpoint, like the folders of ../shared/networks. Models without a reference are compared with the
// exported model. --network creates one of the networks of pytorch_networks.py with random weights. --all
// takes these, the spleen UNet, and all of ../shared/networks. --layers prints the products, bytes and times
// of a form's layers, and what the core can do. The reference script prints
// {"ms_per_window_median": ..., "cpu_ms": ...}.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const here = fileURLToPath(new URL('.', import.meta.url));
const shared = join(here, '../../shared');

/** The networks of pytorch_networks.py. */
const known = {
  swinunetr: {
    ...{ type: 'SwinUNETR', img_size: [96, 96, 96], in_channels: 1, out_channels: 14, feature_size: 48 },
    monai_version: '1.5.0',
  },
  segresnetds: {
    ...{ type: 'SegResNetDS', init_filters: 32, in_channels: 1, out_channels: 2, norm: 'instance' },
    ...{ blocks_down: [1, 2, 2, 4, 4], dsdepth: 1 },
  },
  segresnet: { type: 'SegResNet', init_filters: 16, in_channels: 4, out_channels: 3 },
  basicunet: { type: 'BasicUNet', in_channels: 1, out_channels: 2 },
  dynunet: {
    ...{ type: 'DynUNet', in_channels: 1, out_channels: 2, kernel_size: [3, 3, 3, 3, 3] },
    ...{ strides: [1, 2, 2, 2, 2], upsample_kernel_size: [2, 2, 2, 2] },
    norm_name: ['INSTANCE', { affine: true }],
  },
};

/** Windows of other sizes than 96 x 96 x 96. */
const windowSizes = { segresnet: [128, 128, 64] };

if (isMainThread) await main();
else await serve();

async function main() {
  const { values: args } = parseArgs({
    options: {
      model: { type: 'string', multiple: true, default: [] },
      network: { type: 'string', multiple: true, default: [] },
      all: { type: 'boolean', default: false },
      layers: { type: 'boolean', default: false },
      reference: { type: 'string' },
      python: { type: 'string', default: '/usr/bin/python3' },
      rounds: { type: 'string', default: '5' },
      windows: { type: 'string', default: '16' },
    },
  });
  const folder = mkdtempSync(join(tmpdir(), 'voxstream-bench-'));
  try {
    const threads = availableParallelism();
    console.log(`${cpus()[0].model}, ${threads} threads, ${args.windows} windows a round`);
    const rows = [];
    for (const candidate of candidatesOf(args, folder)) {
      try {
        rows.push(...(await compare(candidate, args, threads, folder)));
      } catch (error) {
        rows.push({ network: candidate.name, form: `failed: ${error.message.split('\n')[0].slice(0, 60)}` });
      }
    }
    console.log();
    for (const row of rows) console.log(lineOf(row));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What to time: a name, a model folder (made when it is needed), and the reference's arguments. */
function candidatesOf({ model, network, all, reference, python }, folder) {
  const script = join(here, 'pytorch_networks.py');
  const isModel = (path) => existsSync(join(path, 'model.onnx')) || existsSync(join(path, 'config.json'));
  for (const path of model)
    if (!isModel(path)) throw new Error(`${path} (--model) holds neither model.onnx nor config.json.`);
  const folders = [
    ...model,
    ...(model.length + network.length === 0 || all ? [join(shared, 'models/spleen_demo')] : []),
    ...(all ? readdirSync(join(shared, 'networks')).map((name) => join(shared, 'networks', name)) : []),
  ].filter(isModel);
  return [
    ...folders.map((path) => {
      const name = basename(resolve(path));
      if (!existsSync(join(path, 'model.onnx'))) {
        return { name, modelFolder: () => imported(join(path, 'config.json'), join(folder, name)) };
      }
      const weights = join(path, 'model.pt');
      const given = reference ?? join(shared, 'bench/pytorch_reference.py');
      return {
        name,
        modelFolder: () => path,
        ...(existsSync(weights) && { reference: [given, '--model', weights] }),
      };
    }),
    ...(all ? Object.keys(known) : network).map((name) => ({
      name,
      reference: [script, name, '--model', join(folder, `${name}.pt`)],
      modelFolder() {
        execFileSync(python, [script, name, '--make', join(folder, `${name}.pt`)]);
        const config = { network: known[name], checkpoint: `${name}.pt`, size: windowSizes[name] };
        writeFileSync(join(folder, `${name}.json`), JSON.stringify(config));
        return imported(join(folder, `${name}.json`), join(folder, name));
      },
    })),
  ];
}

/** The model folder of a configuration like those of ../shared/networks. */
function imported(file, to) {
  const given = JSON.parse(readFileSync(file, 'utf8'));
  const { network, input, monai } = given;
  // A folder of several packagings of one checkpoint lists them in cases.json.
  const checkpoint =
    given.checkpoint ?? JSON.parse(readFileSync(resolve(file, '../cases.json'), 'utf8'))[0].file;
  const size = given.size ?? input?.shape.slice(2) ?? [96, 96, 96];
  const version = network.type === 'SwinUNETR' && monai ? ['--monai-version', monai] : [];
  const cli = join(here, '../dist/cli/index.js');
  execFileSync(process.execPath, [
    ...[cli, 'models', 'import', resolve(file, '..', checkpoint), '--config', file, '-o', to, '--force'],
    ...['--patch', size.join(','), ...version],
  ]);
  return to;
}

async function compare({ name, modelFolder, reference }, args, threads, folder) {
  const { rounds, windows, python } = args;
  const { optimizeModel } = await import('../dist/onnx/optimize.js');
  const { readModel } = await import('../dist/onnx/modelFile.js');
  const from = modelFolder();
  const exported = join(from, 'model.onnx');
  const bytes = readFileSync(exported);
  const { inputs, outputs } = readModel(bytes);
  const patch = JSON.parse(readFileSync(join(from, 'metadata.json'), 'utf8')).input?.patch ?? [96, 96, 96];
  const dims = [1, ...inputs[0].dims.slice(1)].map((n, i) => (typeof n === 'number' ? n : patch[i - 2]));
  const rewrite = async (head) => {
    const model = await optimizeModel(bytes, { target: 'cpu', roiSize: dims.slice(2), head });
    const file = join(folder, `${name}.${head}.onnx`);
    writeFileSync(file, model.bytes);
    console.log(
      `${name}, ${head}: ${model.passes.join(', ')}; difference ${model.maxDifference.toExponential(1)}`,
    );
    if (args.layers && head === 'logits') await printLayers(name, file, dims);
    return sessions(file, dims, threads);
  };
  const runners = {
    'as exported': await sessions(exported, dims, threads),
    ...(outputs[0].dims[1] === 2 && { 'voxstream, one channel': await rewrite('difference') }),
    voxstream: await rewrite('logits'),
  };
  const times = { ...(reference && { PyTorch: [] }) };
  for (const form of Object.keys(runners)) times[form] = [];
  for (let round = 0; round < Number(rounds); round++) {
    if (reference) times.PyTorch.push(pytorch(python, reference, windows, threads));
    for (const [form, all] of Object.entries(runners))
      times[form].push(await timeWindows(all, Number(windows)));
    const told = Object.entries(times).map(([form, list]) => `${form} ${list.at(-1).wall.toFixed(1)} ms`);
    console.log(`${name}: ${told.join(', ')}`);
  }
  for (const all of Object.values(runners)) await Promise.all(all.map((worker) => worker.terminate()));
  const base = times.PyTorch ?? times['as exported'];
  return Object.entries(times).map(([form, list]) => ({
    ...{ network: name, form, window: dims.slice(1).join(' x ') },
    wall: middle(list.map(({ wall }) => wall)),
    cpu: middle(list.map(({ cpu }) => cpu)),
    least: Math.min(...list.map(({ cpu }) => cpu)),
    wallRatio: middle(list.map(({ wall }, round) => base[round].wall / wall)),
    cpuRatio: middle(list.map(({ cpu }, round) => base[round].cpu / cpu)),
    leastRatio: Math.min(...base.map(({ cpu }) => cpu)) / Math.min(...list.map(({ cpu }) => cpu)),
    base: times.PyTorch ? 'PyTorch' : 'as exported',
  }));
}

async function printLayers(name, file, dims) {
  const { layerLines, measureCore, profileLayers } = await import('./layers.mjs');
  const core = await measureCore();
  console.log(`\n${name}, layers of the cpu form:`);
  for (const line of layerLines(await profileLayers(file, dims), core)) console.log(line);
  console.log();
}

function lineOf({ network, form, window, wall, cpu, least, wallRatio, cpuRatio, leastRatio, base }) {
  if (wall === undefined) return `${network}: ${form}`;
  return (
    `${network} (${window}), ${form}: ${wall.toFixed(1)} ms, processor ${cpu.toFixed(1)} ms (least ${least.toFixed(1)}) ` +
    `per window; ${base} / this: ${wallRatio.toFixed(2)}, by processor time ${cpuRatio.toFixed(2)} ` +
    `(least ${leastRatio.toFixed(2)})`
  );
}

function middle(list) {
  return list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
}

function pytorch(python, [script, ...more], windows, threads) {
  const out = execFileSync(python, [script, ...more, '--windows', windows], {
    env: { ...process.env, OMP_NUM_THREADS: String(threads) },
    encoding: 'utf8',
  });
  const { ms_per_window_median: wall, cpu_ms: cpu = Number.NaN } = JSON.parse(out);
  return { wall, cpu };
}

/** One worker thread per processor, each with a single-threaded session after a warm-up run. */
function sessions(file, dims, count) {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { file, dims } });
      await answer(worker);
      return worker;
    }),
  );
}

/** Milliseconds of wall and processor time per window when all sessions take windows until none is left. */
async function timeWindows(workers, windows) {
  const next = new Int32Array(new SharedArrayBuffer(4));
  const begin = performance.now();
  const before = process.cpuUsage();
  for (const worker of workers) worker.postMessage({ next, windows });
  await Promise.all(workers.map(answer));
  const { user, system } = process.cpuUsage(before);
  return { wall: (performance.now() - begin) / windows, cpu: (user + system) / 1000 / windows };
}

function answer(worker) {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

async function serve() {
  const ort = await import('onnxruntime-node');
  const { file, dims } = workerData;
  const session = await ort.InferenceSession.create(file, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const data = Float32Array.from({ length: dims.reduce((product, n) => product * n) }, Math.random);
  const run = () => session.run({ [session.inputNames[0]]: new ort.Tensor('float32', data, dims) });
  await run();
  parentPort.on('message', async ({ next, windows }) => {
    while (Atomics.add(next, 0, 1) < windows) await run();
    parentPort.postMessage('done');
  });
  parentPort.postMessage('ready');
}
