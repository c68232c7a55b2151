// Makes the fast model of the tests: `node scripts/makeBandModel.mjs [FOLDER]`, after `npm run build`.
//
// A convolution network with weights set by hand: an intensity band filter for the phantoms of `voxstream
// synth`, in which little but the spleen has its HU. It processes an image of -57..164 HU, scaled to 0..1, in
// voxels of about 1.5 x 1.5 x 2 mm:
//   1. Blur (Gaussian, sigma 1 voxel) against noise.
//   2. Two bands by ReLU ramps: the core of a spleen (90..138 HU), and everything that may belong to one with
//      its blurred border (30..145 HU).
//   3. Erode and dilate the core (means over 5x5x5 voxels and ramps). This removes thin structures: vessels,
//      and the rims of brighter organs, whose voxels are partly fat.
//   4. The spleen is where the dilated core and the wide band overlap.
// It does not look at position, so any other large structure of that intensity stays. Keep the largest
// component after it.
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Graph } from '../dist/onnx/graph.js';
import { writeModel } from '../dist/onnx/modelFile.js';
import { floats } from '../dist/onnx/tensor.js';

const folder = process.argv[2] ?? 'test/fixtures/models/spleen_band';
const scaled = (hounsfield) => (hounsfield + 57) / 221;
const steepness = 30;
const bands = [
  [scaled(90), scaled(138)],
  [scaled(30), scaled(145)],
];

const graph = new Graph({ name: 'spleen_band' });
const dims = (channels) => ['n', channels, 'x', 'y', 'z'];
let value = graph.addInput('image', 'float32', dims(1));

/** Convolves with `weights[out][in][taps]` along one spatial axis; a single tap for a mix of channels. */
function convolve(input, name, axis, weights, bias) {
  const taps = weights[0][0].length;
  const shape = [weights.length, weights[0].length, 1, 1, 1];
  shape[2 + axis] = taps;
  const pads = [0, 0, 0, 0, 0, 0];
  pads[axis] = pads[3 + axis] = (taps - 1) / 2;
  const inputs = [input, graph.addInitializer(`${name}.weight`, floats(shape, weights.flat(2)))];
  if (bias) inputs.push(graph.addInitializer(`${name}.bias`, floats([bias.length], bias)));
  return graph.addNode('Conv', inputs, { pads, kernel_shape: shape.slice(2) }, { name });
}
const relu = (input, name) => graph.addNode('Relu', [input], {}, { name });
/** 0 where `input` is at most `start`, 1 where it is at least `start + 1 / slope`. */
function ramp(input, name, slope, start) {
  const below = relu(convolve(input, `${name}.below`, 0, [[[-slope]]], [1 + slope * start]), `${name}.cut`);
  return relu(convolve(below, `${name}.above`, 0, [[[-1]]], [1]), name);
}
const mean5 = [0.2, 0.2, 0.2, 0.2, 0.2];
/** The mean over 5x5x5 voxels of the first channel. */
function mean(input, name, channels) {
  const rest = Array.from({ length: channels - 1 }, () => mean5.map(() => 0));
  let result = convolve(input, `${name}.x`, 0, [[mean5, ...rest]]);
  result = convolve(result, `${name}.y`, 1, [[mean5]]);
  return convolve(result, `${name}.z`, 2, [[mean5]]);
}

const gauss = [-2, -1, 0, 1, 2].map((at) => Math.exp(-0.5 * at * at));
const sum = gauss.reduce((total, weight) => total + weight);
for (const axis of [0, 1, 2]) {
  value = convolve(value, `blur.${'xyz'[axis]}`, axis, [[gauss.map((weight) => weight / sum)]]);
}

// How far below and above each band, in ramps from 1 to 0; a band is where neither is left.
const outside = relu(
  convolve(
    value,
    'outside.line',
    0,
    bands.flatMap(() => [[[-steepness]], [[steepness]]]),
    bands.flatMap(([low, high]) => [1 + steepness * low, 1 - steepness * high]),
  ),
  'outside',
);
const mix = [
  [[-1], [-1], [0], [0]],
  [[0], [0], [-1], [-1]],
];
const inBands = relu(convolve(outside, 'bands.line', 0, mix, [1, 1]), 'bands');
const core = ramp(mean(inBands, 'erode', 2), 'core', 4, 0.55);
const near = ramp(mean(core, 'dilate', 1), 'near', 10, 0);
const both = graph.addNode('Concat', [inBands, near], { axis: 1 }, { name: 'both' });
// The logit is positive where near + wide > 1.5: half of each ramp, or all of one and half of the other.
const logits = [
  [[0], [-5], [-5]],
  [[0], [5], [5]],
];
graph.addOutput(convolve(both, 'logits', 0, logits, [7.5, -7.5]), 'float32', dims(2));

const bytes = writeModel(graph);
const card = {
  name: 'spleen_band',
  version: '1.0.0',
  description:
    'An intensity band filter for the phantoms of "voxstream synth": blur, a band of 90 to 138 HU, opening, and a wider band around what is left, as a convolution network with weights set by hand. It looks at intensity alone, so keep the largest component after it. Made for CT scaled from -57..164 HU to 0..1, in RAS voxels of about 1.5 x 1.5 x 2 mm. Organs of the phantoms overlap in HU, so that it misses most spleens: it is a quick model for tests, and no medical one.',
  license: 'Apache-2.0',
  file: 'model.onnx',
  sha256: createHash('sha256').update(bytes).digest('hex'),
  axes: 'xyz',
  labels: { 0: 'background', 1: 'spleen' },
  input: { channels: 1, patch: [96, 96, 96], valueRange: [0, 1], modality: 'CT' },
  output: { channels: 2, activation: 'softmax' },
  training: { data: 'none: the weights are set by hand, in scripts/makeBandModel.mjs' },
  intendedUse: 'demonstrations and tests on phantoms',
};
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, card.file), bytes);
writeFileSync(join(folder, 'metadata.json'), `${JSON.stringify(card, null, 2)}\n`);
console.error(`Wrote ${join(folder, card.file)} (${bytes.length} bytes) and its card.`);
