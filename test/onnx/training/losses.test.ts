import * as ort from 'onnxruntime-node';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Graph } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { Ops } from '#src/onnx/ops.js';
import { sizeOf, tensor } from '#src/onnx/tensor.js';
import type { Loss } from '#src/onnx/training/loss.js';
import { diceCELoss, diceFocalLoss, diceLoss } from '#src/onnx/training/losses.js';
import type { OptionsOf } from '#src/options.js';
import { Random } from '#src/volume/random.js';
import { assertGradients } from '../gradients/finiteDifferences.js';

type DiceCELossOptions = OptionsOf<typeof diceCELoss>;

const [images, sizes] = [2, [2, 3, 2]];
const voxels = sizeOf(sizes);

function labelOf(channels: number, classes: number): Uint8Array {
  const random = new Random(9);
  const count = channels === 1 ? classes : 2;
  return Uint8Array.from({ length: images * channels * voxels }, () => random.integer(Math.max(count, 2)));
}

async function lossOf(
  loss: Loss,
  logits: Float32Array,
  channels: number,
  label: Uint8Array,
): Promise<number> {
  const graph = new Graph();
  const logitDims = [images, channels, ...sizes];
  const labelDims = [images, label.length / images / voxels, ...sizes];
  graph.addInput('logits', 'float32', logitDims);
  graph.addInput('label', 'uint8', labelDims);
  const value = loss.build(new Ops(graph), { logits: 'logits', logitDims, label: 'label', labelDims });
  graph.addOutput(value, 'float32', []);
  const session = await ort.InferenceSession.create(writeModel(graph), { logSeverityLevel: 3 });
  const result = await session.run({
    logits: new ort.Tensor('float32', logits, logitDims),
    label: new ort.Tensor('uint8', label, labelDims),
  });
  assert.equal(result[value].dims, []);
  return (result[value].data as Float32Array)[0];
}

/** MONAI 1.3.2's DiceCELoss in float64, voxel by voxel; `lambdaCe: 0` is DiceLoss. */
function reference(o: DiceCELossOptions, logits: Float32Array, channels: number, label: Uint8Array): number {
  const at = (n: number, c: number, v: number) => logits[(n * channels + c) * voxels + v];
  const numbered = label.length === images * voxels && channels > 1;
  const y = (n: number, c: number, v: number) =>
    numbered ? Number(label[n * voxels + v] === c) : label[(n * channels + c) * voxels + v];
  const logSoftmax = (n: number, c: number, v: number) => {
    let sum = 0;
    for (let k = 0; k < channels; k++) sum += Math.exp(at(n, k, v));
    return at(n, c, v) - Math.log(sum);
  };
  const p = (n: number, c: number, v: number) => {
    if (o.sigmoid) return 1 / (1 + Math.exp(-at(n, c, v)));
    return o.softmax && channels > 1 ? Math.exp(logSoftmax(n, c, v)) : at(n, c, v);
  };
  const first = (o.includeBackground ?? true) || channels === 1 ? 0 : 1;
  const groups = o.batch ? [[0, 1]] : [[0], [1]];
  const losses: number[] = [];
  for (const group of groups) {
    for (let c = first; c < channels; c++) {
      let [inside, total] = [0, 0];
      for (const n of group) {
        for (let v = 0; v < voxels; v++) {
          inside += p(n, c, v) * y(n, c, v);
          total += (o.squaredPred ? p(n, c, v) ** 2 : p(n, c, v)) + y(n, c, v);
        }
      }
      const denominator = o.jaccard ? 2 * (total - inside) : total;
      const loss = 1 - (2 * inside + (o.smoothNr ?? 1e-5)) / (denominator + (o.smoothDr ?? 1e-5));
      losses.push(loss * (channels - first > 1 ? (o.weight?.[c] ?? 1) : 1));
    }
  }
  let [entropy, weights] = [0, 0];
  for (let n = 0; n < images; n++) {
    for (let v = 0; v < voxels; v++) {
      for (let c = 0; c < channels; c++) {
        const weight = o.weight?.[c] ?? 1;
        if (channels === 1) {
          const s = 1 / (1 + Math.exp(-at(n, 0, v)));
          entropy -= weight * y(n, 0, v) * Math.log(s) + (1 - y(n, 0, v)) * Math.log(1 - s);
        } else entropy -= weight * y(n, c, v) * logSoftmax(n, c, v);
        if (numbered) weights += weight * y(n, c, v);
      }
    }
  }
  const sum = losses.reduce((a, b) => a + b, 0);
  const isSum = o.reduction === 'sum';
  const dice = isSum ? sum : sum / losses.length;
  const ce = isSum ? entropy : entropy / (numbered ? weights : images * voxels);
  return (o.lambdaDice ?? 1) * dice + (o.lambdaCe ?? 1) * ce;
}

const several: [string, DiceCELossOptions][] = [
  ['softmax', { softmax: true }],
  ['the bundle', { softmax: true, squaredPred: true, batch: true, lambdaDice: 0.5, lambdaCe: 0.5 }],
  ['sigmoid without background', { sigmoid: true, includeBackground: false }],
  ['jaccard, summed', { softmax: true, jaccard: true, reduction: 'sum' }],
  ['smoothing', { softmax: true, smoothNr: 0.5, smoothDr: 2, batch: true }],
  ['weights', { softmax: true, weight: [0.2, 1, 3] }],
  ['weights without background', { softmax: true, weight: [0.2, 1, 3], includeBackground: false }],
  ['weights, summed', { softmax: true, weight: [0.2, 1, 3], reduction: 'sum' }],
  ['logits as they are', { batch: true, squaredPred: true }],
];
for (const [name, options] of several) {
  for (const labelChannels of [1, 3]) {
    test(`DiceCE and Dice of three classes: ${name}, a label of ${labelChannels} channel(s)`, async () => {
      const random = new Random(2);
      const logits = Float32Array.from({ length: images * 3 * voxels }, () => random.uniform(-2, 2));
      const label = labelOf(labelChannels, 3);
      const expected = reference(options, logits, 3, label);
      const found = await lossOf(diceCELoss(options), logits, 3, label);
      // Float32 rounds each of some hundred summands.
      assert.ok(
        Math.abs(found - expected) <= 1e-5 * Math.max(1, Math.abs(expected)),
        `${found} is not ${expected}`,
      );
      const { weight, lambdaDice: _dice, lambdaCe: _ce, ...rest } = options;
      const only = {
        ...rest,
        weight: weight && options.includeBackground === false ? weight.slice(1) : weight,
      };
      const dice = await lossOf(diceLoss(only), logits, 3, label);
      const expectedDice = reference({ ...options, lambdaDice: 1, lambdaCe: 0 }, logits, 3, label);
      assert.ok(
        Math.abs(dice - expectedDice) <= 1e-5 * Math.max(1, expectedDice),
        `${dice} is not ${expectedDice}`,
      );
    });
  }
}
for (const options of [
  { sigmoid: true },
  { sigmoid: true, weight: [2.5], batch: true },
] as DiceCELossOptions[]) {
  test(`DiceCE of one channel: ${JSON.stringify(options)}`, async () => {
    const random = new Random(2);
    const logits = Float32Array.from({ length: images * voxels }, () => random.uniform(-2, 2));
    const label = labelOf(1, 2);
    const found = await lossOf(diceCELoss(options), logits, 1, label);
    const expected = reference(options, logits, 1, label);
    assert.ok(Math.abs(found - expected) <= 1e-5, `${found} is not ${expected}`);
  });
}

test("DiceFocal adds MONAI's focal loss of the sigmoid, also with a softmax", async () => {
  const random = new Random(2);
  for (const [channels, options] of [
    [3, { softmax: true, includeBackground: false, weight: [0.5, 3], gamma: 1.5, lambdaFocal: 0.7 }],
    [3, { softmax: true, reduction: 'sum' }],
    [1, { sigmoid: true, includeBackground: false, lambdaDice: 2 }],
  ] as [number, OptionsOf<typeof diceFocalLoss>][]) {
    const logits = Float32Array.from({ length: images * channels * voxels }, () => random.uniform(-2, 2));
    const label = labelOf(1, channels);
    const first = channels > 1 && options.includeBackground === false ? 1 : 0;
    let sum = 0;
    for (let i = 0; i < logits.length; i++) {
      const [n, c, v] = [Math.floor(i / channels / voxels), Math.floor(i / voxels) % channels, i % voxels];
      if (c < first) continue;
      const isSet = label[n * voxels + v] === (channels === 1 ? 1 : c);
      const q = 1 / (1 + Math.exp(isSet ? -logits[i] : logits[i]));
      sum -= (options.weight?.[c - first] ?? 1) * (1 - q) ** (options.gamma ?? 2) * Math.log(q);
    }
    const focal = options.reduction === 'sum' ? sum : sum / (images * (channels - first) * voxels);
    const { gamma: _gamma, lambdaFocal = 1, lambdaDice = 1, ...others } = options;
    const dice = await lossOf(diceLoss(others), logits, channels, label);
    const expected = lambdaDice * dice + lambdaFocal * focal;
    const found = await lossOf(diceFocalLoss(options), logits, channels, label);
    assert.ok(Math.abs(found - expected) <= 1e-5 * Math.max(1, expected), `${found} is not ${expected}`);
  }
});

test('the gradients of losses', async () => {
  for (const [options, channels] of [
    [{ softmax: true, squaredPred: true, batch: true }, 3],
    [{ softmax: true, jaccard: true, includeBackground: false, weight: [0.2, 1, 3] }, 3],
    [{ sigmoid: true, weight: [2.5] }, 1],
  ] as [DiceCELossOptions, number][]) {
    const logitDims = [images, channels, ...sizes];
    const labelDims = [images, 1, ...sizes];
    await assertGradients(
      {
        operands: [logitDims],
        values: (value) => 4 * value,
        build: (graph, [logits]) => {
          const label = graph.addConstant('label', tensor('uint8', labelDims, labelOf(1, channels)));
          return diceCELoss(options).build(new Ops(graph), { logits, logitDims, label, labelDims });
        },
      },
      // The loss, about 1, is rounded to 6e-8; over 0.02 that leaves 3e-6 of gradients of 1e-3 to 1e-2.
      5e-3,
    );
  }
});

test('options and labels that do not fit are refused', async () => {
  assert.throws(() => diceLoss({ sigmoid: true, softmax: true }), /dice: sigmoid and softmax are both true/);
  const logits = new Float32Array(images * 3 * voxels);
  const refused = (loss: Loss, label: Uint8Array, message: RegExp) =>
    lossOf(loss, logits, 3, label).then(
      () => assert.unreachable(),
      (error) => assert.match(error.message, message),
    );
  await refused(
    diceLoss(),
    labelOf(2, 3),
    /label has 2 channel\(s\) and the model's output 3; with toOnehotY false the label must have 3/,
  );
  await refused(diceLoss({ toOnehotY: false }), labelOf(1, 3), /with toOnehotY false the label must have 3/);
  await refused(diceLoss({ weight: [1, 2] }), labelOf(1, 3), /weights \[1, 2\], but it must have 3/);
});

test.run();
