// The layers of a model by ONNX Runtime's profiler, on one thread: products, bytes and time of each kind of
// node, beside what the core can do (its roofline). For bench/network.mjs.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ort from 'onnxruntime-node';
import { channelBlock } from '../dist/onnx/blockSize.js';
import { Graph } from '../dist/onnx/graph.js';
import { writeModel } from '../dist/onnx/modelFile.js';
import { floats } from '../dist/onnx/tensor.js';

const options = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 };
const runs = 5;

/**
 * Rows of nodes of the same operator and sizes: their number, GFLOP, GB read and written, and the sum of the
 * best times of several runs in ms.
 */
export async function profileLayers(model, dims) {
  const folder = mkdtempSync(join(tmpdir(), 'voxstream-profile-'));
  try {
    const profiled = { ...options, enableProfiling: true, profileFilePrefix: join(folder, 'profile') };
    const session = await ort.InferenceSession.create(model, profiled);
    await runTimes(session, dims, runs);
    session.endProfiling();
    await session.release();
    const [file] = readdirSync(folder);
    return rowsOf(JSON.parse(readFileSync(join(folder, file), 'utf8')));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function rowsOf(events) {
  const nodes = new Map();
  for (const { cat, name, dur, args } of events) {
    if (cat !== 'Node' || !name.endsWith('_kernel_time')) continue;
    const known = nodes.get(name)?.ms ?? Number.POSITIVE_INFINITY;
    nodes.set(name, { args, ms: Math.min(known, dur / 1000) });
  }
  const rows = new Map();
  for (const { args, ms } of nodes.values()) {
    const inputs = args.input_type_shape.map((shape) => Object.values(shape)[0]);
    const [output] = args.output_type_shape.map((shape) => Object.values(shape)[0]);
    const kind = kindOf(args.op_name, inputs, output);
    const row = rows.get(kind) ?? { kind, count: 0, gflop: 0, gb: 0, ms: 0 };
    row.count += 1;
    row.gflop += (2 * productsOf(args.op_name, inputs, output)) / 1e9;
    row.gb += (4 * touched(args.op_name, inputs, output)) / 1e9;
    row.ms += ms;
    rows.set(kind, row);
  }
  return [...rows.values()].sort((a, b) => b.ms - a.ms);
}

/** Values that a node reads and writes. */
function touched(op, inputs, output) {
  if (op === 'Reshape') return 0;
  if (op === 'Gather' || op === 'Slice') return 2 * size(output);
  // It writes into its first input.
  if (op === 'TensorScatter') return 2 * size(inputs[1]);
  return [...inputs, output].reduce((all, of) => all + size(of), 0);
}

const size = (dims) => dims.reduce((product, n) => product * n, 1);

/** Convolutions by their weights and planes, matrix products by their constants, others by their operator. */
function kindOf(op, inputs, output) {
  if (op === 'Conv') return `Conv ${inputs[1].join('x')} to ${output.slice(2).join('x')}`;
  if (op === 'Gemm' || op === 'MatMul')
    return `${op} ${inputs
      .slice(0, 2)
      .map((of) => of.slice(-2).join('x'))
      .join(' by ')}`;
  return op;
}

function productsOf(op, inputs, output) {
  if (op === 'Conv') return size(output) * size(inputs[1].slice(1));
  if (op === 'ConvTranspose') return size(inputs[0]) * size(inputs[1].slice(1));
  if (op === 'MatMul' || op === 'Gemm' || op === 'FusedMatMul') return size(output) * inputs[0].at(-1);
  return 0;
}

/** What one core does at best: GFLOP/s of a convolution within the caches, GB/s of a product of volumes. */
export async function measureCore() {
  const block = await channelBlock();
  const dims = [8, 64, 24, 24];
  const conv = new Graph({ domains: { 'com.microsoft.nchwc': 1 } });
  conv.addInput('x', 'float32', dims);
  const weight = conv.addConstant('w', floats([64, 64, 3, 3], new Float32Array(64 * 64 * 9).fill(0.01)));
  let value = 'x';
  for (let i = 0; i < 8; i++) {
    value = conv.addNode(
      'Conv',
      [value, weight],
      { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [1, 1], dilations: [1, 1], group: 1 },
      block > 1 ? { domain: 'com.microsoft.nchwc' } : {},
    );
  }
  conv.addOutput(value, 'float32', dims);
  // A small output: a large one would be new memory in each run.
  const product = new Graph();
  const large = [1, 32, 96, 96, 96];
  product.addInput('x', 'float32', large);
  let volume = 'x';
  for (let i = 0; i < 8; i++) volume = product.addNode('Mul', [volume, 'x']);
  product.addOutput(product.addNode('ReduceMax', [volume], { keepdims: 0 }), 'float32', []);
  const [convMs, productMs] = [await bestMs(conv, dims), await bestMs(product, large)];
  return {
    gflops: (2 * 8 * size(dims) * 64 * 9) / convMs / 1e6,
    gbs: (4 * (2 + 7 * 3 + 1) * size(large)) / productMs / 1e6,
  };
}

async function bestMs(graph, dims) {
  const session = await ort.InferenceSession.create(writeModel(graph), options);
  const times = await runTimes(session, dims, 20);
  await session.release();
  return Math.min(...times);
}

async function runTimes(session, dims, count) {
  const data = Float32Array.from({ length: size(dims) }, Math.random);
  const times = [];
  for (let i = 0; i < count; i++) {
    const begin = performance.now();
    await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', data, dims) });
    times.push(performance.now() - begin);
  }
  return times;
}

/** Lines of a table of layers, with the least time that the core's arithmetic and memory allow. */
export function layerLines(rows, { gflops, gbs }, most = 20) {
  const least = ({ gflop, gb }) => 1000 * Math.max(gflop / gflops, gb / gbs);
  const total = (of) => rows.reduce((sum, row) => sum + of(row), 0);
  const sum = { kind: 'all', gflop: total((r) => r.gflop), gb: total((r) => r.gb), ms: total((r) => r.ms) };
  const line = (row, count, bound) =>
    `| ${row.kind} | ${count} | ${row.gflop.toFixed(2)} | ${row.gb.toFixed(2)} | ${row.ms.toFixed(1)} | ` +
    `${((row.gflop / row.ms) * 1000).toFixed(0)} | ${bound.toFixed(1)} |`;
  return [
    `One core: ${gflops.toFixed(0)} GFLOP/s, ${gbs.toFixed(0)} GB/s.`,
    '| nodes | count | GFLOP | GB | ms | GFLOP/s | least ms |',
    '|---|---|---|---|---|---|---|',
    ...rows.slice(0, most).map((row) => line(row, row.count, least(row))),
    line(
      sum,
      total((r) => r.count),
      total(least),
    ),
  ];
}
