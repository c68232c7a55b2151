// Adds up the windows of a volume on a GPU, as a graph: a window times its weights, padded to the volume, and
// the sums so far. Outputs and sums stay in the GPU's memory, and one copy comes back. Compares the sums with
// those of the same graph on the CPU, and times the copies of all outputs instead. Only WebGPU can keep
// tensors on the GPU in ONNX Runtime's binding for Node.
//
//   npm run build
//   node bench/gpuSums.mjs [--window 32] [--size 64,64,64] [--channels 2]
//
// Without a GPU, set VK_DRIVER_FILES=/usr/lib/chromium/vk_swiftshader_icd.json to use SwiftShader.
import { parseArgs } from 'node:util';
import { Graph } from '../dist/onnx/graph.js';
import { writeModel } from '../dist/onnx/modelFile.js';
import * as ort from '../dist/onnx/ort.js';
import { floats } from '../dist/onnx/tensor.js';
import { machine } from './processes.mjs';

const { values: args } = parseArgs({
  options: {
    window: { type: 'string', default: '32' },
    size: { type: 'string', default: '64,64,64' },
    channels: { type: 'string', default: '2' },
  },
});
const edge = Number(args.window);
const size = args.size.split(',').map(Number);
const channels = Number(args.channels);
const windowDims = [1, channels, edge, edge, edge];
const sumDims = [1, channels, ...size];
const product = (dims) => dims.reduce((all, n) => all * n, 1);

/** The places of windows that overlap by half. */
const places = axis(size[0]).flatMap((x) =>
  axis(size[1]).flatMap((y) => axis(size[2]).map((z) => [x, y, z])),
);

function axis(length) {
  const starts = Array.from({ length: Math.ceil((2 * length) / edge) - 1 }, (_, i) => (i * edge) / 2);
  return starts.map((start) => Math.min(start, length - edge));
}

console.log(
  `${machine()}, ${places.length} windows of ${edge}^3, ${channels} channels, sums of ${size.join(' x ')}`,
);

const inputs = places.map((_, n) =>
  Float32Array.from({ length: product(windowDims) }, (_, i) => Math.sin(0.37 * i + n)),
);
const expected = await addUp('cpu');
const found = await addUp('webgpu');
const different = found.sums.filter((value, i) => value !== expected.sums[i]).length;
console.log(`webgpu, each output copied back, not added up: ${(await copyEach()).toFixed(1)} ms per window`);
console.log(
  `webgpu, added up there and copied back once: ${found.ms.toFixed(1)} ms per window, ` +
    `${different} sums differ from the CPU's`,
);
// Sessions of WebGPU keep the process alive.
process.exit();

/** Stands for a model: passes its input on, so that its output is on the device. */
function modelGraph() {
  const graph = new Graph();
  graph.addInput('x', 'float32', windowDims);
  graph.addOutput(graph.addNode('Neg', ['x']), 'float32', windowDims);
  return graph;
}

/** Adds a weighted window to the sums; `pads` says where. */
function sumGraph() {
  const graph = new Graph();
  graph.addInput('window', 'float32', windowDims);
  graph.addInput('sums', 'float32', sumDims);
  graph.addInput('pads', 'int64', [10]);
  const weights = Float32Array.from({ length: edge ** 3 }, (_, i) => 1 + Math.cos(i) / 2);
  const weight = graph.addConstant('weights', floats([1, 1, edge, edge, edge], weights));
  const weighted = graph.addNode('Mul', ['window', weight]);
  const padded = graph.addNode('Pad', [weighted, 'pads']);
  graph.addOutput(graph.addNode('Add', ['sums', padded]), 'float32', sumDims);
  return graph;
}

/** Passes the sums on, to the processor's memory: `getData` of a tensor on the GPU aborts the process. */
function copyGraph() {
  const graph = new Graph();
  graph.addInput('sums', 'float32', sumDims);
  graph.addOutput(graph.addNode('Identity', ['sums']), 'float32', sumDims);
  return graph;
}

function open(graph, provider, more = {}) {
  return ort.InferenceSession.create(writeModel(graph), {
    executionProviders: [provider],
    logSeverityLevel: 3,
    ...more,
  });
}

function only(result) {
  return Object.values(result)[0];
}

function windowOf(n) {
  return new ort.Tensor('float32', inputs[n], windowDims);
}

/** The sums of all windows, and milliseconds per window. */
async function addUp(provider) {
  const stay = provider === 'webgpu' ? { preferredOutputLocation: 'gpu-buffer' } : {};
  const model = await open(modelGraph(), provider, stay);
  const adding = await open(sumGraph(), provider, stay);
  const copying = await open(copyGraph(), provider);
  let total = new ort.Tensor('float32', new Float32Array(product(sumDims)), sumDims);
  const begin = performance.now();
  for (const [n, place] of places.entries()) {
    const window = only(await model.run({ x: windowOf(n) }));
    const after = place.map((start, i) => size[i] - edge - start);
    const pads = new ort.Tensor('int64', BigInt64Array.from([0, 0, ...place, 0, 0, ...after], BigInt), [10]);
    const next = only(await adding.run({ window, sums: total, pads }));
    // Garbage collection does not know of the GPU's memory.
    for (const used of [window, total]) if (used.location === 'gpu-buffer') used.dispose();
    total = next;
  }
  const { data } = only(await copying.run({ sums: total }));
  return { sums: data, ms: (performance.now() - begin) / places.length };
}

/** Milliseconds per window when each output comes back to the processor's memory. */
async function copyEach() {
  const model = await open(modelGraph(), 'webgpu');
  const begin = performance.now();
  for (const n of places.keys()) await model.run({ x: windowOf(n) });
  return (performance.now() - begin) / places.length;
}
