// Measures a GPU: the spleen network alone for each provider, precision, batch and number of sessions; a
// stream of full-size CTs, with the share of time that each lane works and the voxels that are labelled
// unlike on the CPU; nnU-Net's chain; and training steps. The PyTorch reference runs on the same GPU in the
// same run. Each measurement is a separate process, so that one that fails does not end the others. Prints a
// line per measurement and tables at the end.
//
//   node bench/gpu.mjs --model DIR [--reference SCRIPT] [--python python3] [--providers cuda,webgpu]
//     [--only network,stream,nnunet,train] [--windows 400] [--cases 24] [--size 512,512,100]
//     [--spacing 0.8,0.8,2.5] [--image FILE ...] [--more=--in-flight=8] [--nnunet=--target=2]
//
// DIR contains model.onnx, metadata.json and model.pt.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { machine, median, runWatched, table, voxstream } from './processes.mjs';

const patch = [96, 96, 96];
const script = fileURLToPath(import.meta.url);

if (!isMainThread) await serve(workerData);
else if (process.argv[2] === '--measure') await measure(JSON.parse(process.argv[3]));
else await main();

async function main() {
  const { values: args } = parseArgs({
    options: {
      model: { type: 'string' },
      reference: { type: 'string' },
      python: { type: 'string', default: 'python3' },
      providers: { type: 'string', default: 'cuda,webgpu' },
      only: { type: 'string', default: 'network,stream,nnunet,train' },
      windows: { type: 'string', default: '400' },
      batches: { type: 'string', default: '1,4' },
      sessions: { type: 'string', default: '1,2,4' },
      cases: { type: 'string', default: '24' },
      more: { type: 'string', multiple: true, default: [] },
      // More options of bench/nnunet.mjs.
      nnunet: { type: 'string', multiple: true, default: [] },
      image: { type: 'string', multiple: true, default: [] },
      size: { type: 'string', default: '512,512,100' },
      spacing: { type: 'string', default: '0.8,0.8,2.5' },
    },
  });
  const folder = mkdtempSync(join(tmpdir(), 'voxstream-gpu-'));
  const parts = args.only.split(',');
  try {
    console.log(machine());
    if (parts.includes('network')) await networks(args, folder);
    if (parts.includes('stream')) await streams(args, folder);
    if (parts.includes('nnunet')) await nnunet(args);
    if (parts.includes('train')) await steps(args);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function list(text) {
  return text.split(',').map(Number);
}

function providersOf(args) {
  return args.providers.split(',');
}

/** Milliseconds per window. */
async function networks(args, folder) {
  const { optimizeModel } = await import('../dist/onnx/optimize.js');
  const bytes = readFileSync(join(args.model, 'model.onnx'));
  const rows = [['network', 'precision', 'windows a run', 'sessions', 'ms per window']];
  for (const amp of args.reference ? [false, true] : []) {
    const own = ['--model', join(args.model, 'model.pt'), '--windows', '200', '--device', 'cuda'];
    const run = await attempt(`PyTorch${amp ? ', amp' : ''}`, async () => {
      const { lines } = await runWatched(args.python, [args.reference, ...own, ...(amp ? ['--amp'] : [])]);
      return JSON.parse(lines.at(-1)).ms_per_window_median;
    });
    rows.push(['PyTorch', amp ? 'float16 (amp)' : 'float32', 4, 1, run]);
  }
  for (const provider of providersOf(args)) {
    for (const precision of provider === 'cpu' ? ['float32'] : ['float32', 'float16']) {
      const file = join(folder, `${provider}-${precision}.onnx`);
      const made = await attempt(`${provider} ${precision}, form`, async () => {
        const model = await optimizeModel(bytes, {
          ...{ target: provider, roiSize: patch, axes: 'reverse', precision, head: 'difference' },
        });
        writeFileSync(file, model.bytes);
        return model.maxDifference.toExponential(1);
      });
      if (made === 'failed') continue;
      for (const batch of list(args.batches)) {
        for (const sessions of list(args.sessions)) {
          const setup = { file, provider, batch, sessions, windows: Number(args.windows) };
          const ms = await attempt(`${provider} ${precision}, ${batch} x ${sessions}`, () => child(setup));
          rows.push([provider, precision, batch, sessions, ms]);
        }
      }
    }
  }
  console.log(`\n${table(rows)}\n`);
}

async function attempt(name, work) {
  try {
    const result = await work();
    console.log(`${name}: ${JSON.stringify(result)}`);
    return result;
  } catch (error) {
    console.log(`${name}: failed: ${error.message.slice(-600)}`);
    return 'failed';
  }
}

function child(setup) {
  const out = execFileSync(process.execPath, [script, '--measure', JSON.stringify(setup)], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  return Number(out.trim().split('\n').at(-1));
}

/** In a process for one measurement: prints milliseconds per window, of all sessions together. */
async function measure(setup) {
  const workers = Array.from(
    { length: setup.sessions },
    () => new Worker(new URL(import.meta.url), { workerData: setup }),
  );
  await Promise.all(workers.map(answer));
  const next = new Int32Array(new SharedArrayBuffer(4));
  const begin = performance.now();
  for (const worker of workers) worker.postMessage(next);
  await Promise.all(workers.map(answer));
  console.log(((performance.now() - begin) / setup.windows).toFixed(3));
  process.exit();
}

function answer(worker) {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

/** In a thread: one session, which takes windows until none is left. */
async function serve({ file, provider, batch, windows }) {
  const ort = await import('onnxruntime-node');
  const session = await ort.InferenceSession.create(file, {
    executionProviders: [provider],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    enableMemPattern: false,
    logSeverityLevel: 3,
    extra: { session: { disable_cpu_ep_fallback: '1' } },
  });
  const dims = [batch, 1, ...patch];
  const data = Float32Array.from({ length: dims.reduce((product, n) => product * n) }, Math.random);
  const run = () =>
    session.run({ [session.inputNames[0]]: new ort.Tensor('float32', data, dims) }, [session.outputNames[0]]);
  for (let i = 0; i < 3; i++) await run();
  parentPort.on('message', async (next) => {
    while (Atomics.add(next, 0, batch) < windows) await run();
    parentPort.postMessage('done');
  });
  parentPort.postMessage('ready');
}

/** Seconds per case when many cases stream through, and what the lanes did meanwhile. */
async function streams(args, folder) {
  const { writeNifti } = await import('../dist/formats/writeNifti.js');
  const { makePhantom } = await import('../dist/synth/phantom.js');
  const files = args.image.map((file) => resolve(file));
  for (let seed = files.length; seed < 4; seed++) {
    const { image } = makePhantom({ seed, size: list(args.size), spacing: list(args.spacing) });
    const file = join(folder, `ct_${seed}.nii.gz`);
    await writeNifti(file, image, { dtype: 'int16' });
    files.push(file);
  }
  const rows = [['', 's per case', 'device', 'cpu', 'io', 'peak memory (MiB)', 'voxels unlike the CPU']];
  for (const amp of args.reference ? [false, true] : []) {
    const own = ['--model', join(args.model, 'model.pt'), '--device', 'cuda', ...(amp ? ['--amp'] : [])];
    const name = `PyTorch${amp ? ', amp' : ''}, one case after the other`;
    const seconds = await attempt(name, async () => {
      const { lines } = await runWatched(
        args.python,
        [args.reference, ...own, '--out', join(folder, 'pytorch'), ...files, ...files],
        { env: { OMP_NUM_THREADS: '16' } },
      );
      // The first case includes loading cuDNN.
      const cases = lines.flatMap((line) => JSON.parse(line).total_s ?? []).slice(1);
      return cases.reduce((sum, one) => sum + one, 0) / cases.length;
    });
    rows.push([name, seconds, '', '', '', '', '']);
  }
  let onCpu;
  for (const provider of ['cpu', ...providersOf(args).filter((one) => one !== 'cpu')]) {
    for (const precision of provider === 'cpu' ? ['float32'] : ['float32', 'float16']) {
      const name = `${provider}, ${precision}`;
      const run = await attempt(name, () => stream(args, folder, files, provider, precision));
      if (run === 'failed') continue;
      onCpu ??= run.output;
      // Printed by themselves: a failure here must not lose the times.
      const different = await attempt(`${name}, voxels unlike the CPU`, () =>
        differences(Math.min(files.length, run.cases), run.output, onCpu),
      );
      const { perCase, device, cpu, io, peak } = run;
      rows.push([name, perCase, device, cpu, io, peak, String(different)]);
    }
  }
  console.log(`\n${table(rows)}\n`);
}

async function stream(args, folder, files, provider, precision) {
  let model = args.model;
  if (precision === 'float16') {
    model = join(folder, `${provider}-float16`);
    await command([
      'models',
      'optimize',
      args.model,
      '--target',
      provider,
      '--precision',
      precision,
      '--patch',
      patch.join(','),
      '-o',
      model,
    ]);
  }
  const settings = { model, cache: join(folder, 'cache'), device: provider, more: args.more };
  // Makes the form and loads the libraries.
  await voxstream([{ id: 'first', file: files[0] }], { ...settings, output: join(folder, 'first') });
  const count = provider === 'cpu' ? files.length : Number(args.cases);
  const images = Array.from({ length: count }, (_, n) => {
    const file = join(folder, `case_${n}.nii.gz`);
    rmSync(file, { force: true });
    symlinkSync(files[n % files.length], file);
    return { id: `case_${n}`, file };
  });
  const output = join(folder, `${provider}-${precision}-labels`);
  const { events, peak } = await voxstream(images, { ...settings, output });
  const ends = events.filter(({ event }) => event === 'caseDone').map(({ at }) => at);
  const begin = events.find(({ event }) => event === 'caseStart').at;
  // From the end of the first quarter on: the stream runs full.
  const warm = Math.floor(ends.length / 4);
  const perCase = (ends.at(-1) - ends[warm - 1]) / (ends.length - warm);
  const { lanes } = events.find(({ event }) => event === 'end');
  const steps = {};
  for (const { event, step, seconds } of events) {
    if (event === 'step') (steps[step] ??= []).push(seconds);
  }
  console.log(
    Object.entries(steps)
      .map(([step, all]) => `${step} ${median(all).toFixed(3)} s`)
      .join(', '),
  );
  return {
    perCase: Number(perCase.toFixed(3)),
    wall: Number((ends.at(-1) - begin).toFixed(2)),
    ...Object.fromEntries(['device', 'cpu', 'io'].map((lane) => [lane, lanes[lane].toFixed(2)])),
    peak: Math.round(peak),
    output,
    cases: count,
  };
}

/** Voxels that another device labels otherwise than the CPU, in each of the first cases. */
async function differences(count, output, expected) {
  const { readVolume } = await import('../dist/formats/index.js');
  const all = [];
  for (let n = 0; n < count; n++) {
    const [a, b] = await Promise.all(
      [output, expected].map((place) => readVolume(join(place, `case_${n}_seg.nii.gz`), { kind: 'label' })),
    );
    all.push(a.data.reduce((sum, value, i) => sum + Number(value !== b.data[i]), 0));
  }
  return all;
}

function command(more) {
  const cli = fileURLToPath(new URL('../dist/cli/index.js', import.meta.url));
  return runWatched(process.execPath, [cli, ...more]);
}

/** nnU-Net's standard network and its whole chain on one CT; bench/nnunet.mjs prints its own tables. */
async function nnunet(args) {
  const chain = fileURLToPath(new URL('./nnunet.mjs', import.meta.url));
  for (const device of providersOf(args)) {
    await attempt(`nnU-Net's chain on ${device}`, async () => {
      const own = ['--only', 'case', '--python', args.python, '--device', device];
      const { lines } = await runWatched(process.execPath, [chain, ...own, ...args.nnunet]);
      console.log(lines.join('\n'));
      return 'done';
    });
  }
}

/** Seconds per patch of training steps. */
async function steps(args) {
  const train = fileURLToPath(new URL('./train.mjs', import.meta.url));
  for (const device of providersOf(args)) {
    await attempt(`training on ${device}`, async () => {
      const { lines } = await runWatched(process.execPath, [
        ...[train, '--train', '--model', args.model, '--steps', '20', '--device', device],
      ]);
      return JSON.parse(lines.at(-1));
    });
  }
  for (const amp of args.reference ? [[], ['--amp']] : []) {
    await attempt(`training in PyTorch ${amp.join('')}`, async () => {
      const { lines } = await runWatched(args.python, [
        ...[args.reference, '--model', join(args.model, 'model.pt'), '--train-steps', '20'],
        ...['--device', 'cuda', ...amp],
      ]);
      return JSON.parse(lines.at(-1));
    });
  }
}
