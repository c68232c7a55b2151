import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildNetwork } from '#src/onnx/builders/buildNetwork.js';
import { writeModel } from '#src/onnx/modelFile.js';
import * as ort from '#src/onnx/ort.js';
import { diceCELoss } from '#src/onnx/training/losses.js';
import { adam, novograd, sgd } from '#src/onnx/training/optimizers.js';
import { type StepPart, splitStepGraphs, stepGraph } from '#src/onnx/training/stepGraph.js';
import { cancelledBiases } from '#src/onnx/training/weights.js';
import { distance, norm, readGolden } from './golden.js';

/** PyTorch 1.13 with MONAI 1.3.2's loss and optimizers. */
const golden = readGolden();
const inputDims = [2, 1, 16, 16, 16];
const tolerance = 1e-4;

const network = () => buildNetwork('UNet', golden.network, golden.tensors('init/'));

/**
 * Biases in front of batch normalizations have no influence. PyTorch computes rounding errors for their
 * gradients, which Adam and Novograd scale up to steps of full size; ours are zero. The running means contain
 * those biases.
 */
const idle = () => cancelledBiases(network());

function imagesOf(part: StepPart, step: number): Record<string, ort.Tensor> {
  const [image, label] = ['image', 'label'].map((what) => golden.tensor(`step${step}/${what}`));
  return {
    [part.image as string]: new ort.Tensor('float32', image.data as Float32Array, image.dims),
    label: new ort.Tensor('uint8', Uint8Array.from(label.data as Float32Array), label.dims),
  };
}

const initialState = (part: StepPart): Record<string, ort.Tensor> =>
  Object.fromEntries(
    part.state.map(({ name, dims, initial }) => [
      name,
      new ort.Tensor('float32', initial.data as Float32Array, dims),
    ]),
  );

test('every gradient of the first step is within 1e-4 of its norm of PyTorch', async () => {
  const { gradients } = splitStepGraphs({
    model: network(),
    inputDims,
    loss: diceCELoss(golden.loss),
    optimizer: adam({ learningRate: 1 }),
  });
  const session = await ort.InferenceSession.create(writeModel(gradients.graph), { logSeverityLevel: 3 });
  const result = await session.run({ ...initialState(gradients), ...imagesOf(gradients, 0) });
  const expected = golden.tensors('step0/grad/');
  assert.equal(gradients.outputs.map(({ weight }) => weight).sort(), [...expected.keys()].sort());
  for (const { weight, output } of gradients.outputs) {
    const found = result[output].data as Float32Array;
    const { data } = expected.get(weight)!;
    if (idle().has(weight)) {
      assert.ok(norm(found) === 0 && norm(data as Float32Array) < 1e-6, weight);
      continue;
    }
    const error = distance(found, data as Float32Array) / norm(data as Float32Array);
    assert.ok(error <= tolerance, `${weight}: the relative error is ${error}`);
  }
});

test('the logits of the first step are within 1e-4 of PyTorch', async () => {
  const part = stepGraph({
    model: network(),
    inputDims,
    loss: diceCELoss(golden.loss),
    optimizer: adam({ learningRate: 1 }),
  });
  // The step graph keeps the network's nodes under their names.
  const logits = network().nodes.at(-1)!.outputs[0];
  part.graph.addOutput(logits, 'float32', [2, 2, 16, 16, 16]);
  const session = await ort.InferenceSession.create(writeModel(part.graph), { logSeverityLevel: 3 });
  const learningRate = new ort.Tensor('float32', [0], []);
  const result = await session.run({ ...initialState(part), ...imagesOf(part, 0), learningRate });
  const expected = golden.tensor('step0/logits').data as Float32Array;
  const error = distance(result[logits].data as Float32Array, expected) / norm(expected);
  assert.ok(error <= tolerance, `the relative error is ${error}`);
});

test('with float16, gradients are near PyTorch in float32, and steps that are not finite are left out', async () => {
  const part = stepGraph({
    model: network(),
    inputDims,
    loss: diceCELoss(golden.loss),
    optimizer: sgd({ learningRate: 1 }),
    precision: 'float16',
  });
  assert.ok(
    part.graph.nodes.some(({ op, inputs }) => op === 'Conv' && inputs.every((name) => /half/.test(name))),
  );
  // ONNX Runtime's CPU provider converts to float32 and back around each operation.
  const session = await ort.InferenceSession.create(writeModel(part.graph), { logSeverityLevel: 3 });
  const state = initialState(part);
  const step = async (scale: number) => {
    const scalars = {
      learningRate: new ort.Tensor('float32', [1], []),
      lossScale: new ort.Tensor('float32', [scale], []),
    };
    const result = await session.run({ ...state, ...imagesOf(part, 0), ...scalars });
    return new Map(part.state.map(({ name, next }) => [name, result[next].data as Float32Array]));
  };
  const after = await step(1024);
  for (const [name, { data }] of golden.tensors('step0/grad/')) {
    if (idle().has(name)) continue;
    const gradient = Float32Array.from(
      after.get(name)!,
      (value, i) => (state[name].data as Float32Array)[i] - value,
    );
    const error = distance(gradient, data as Float32Array);
    // Float16 has 11 bits, 5e-4, which add up over layers. The whole gradient's norm is 0.58.
    const allowed = 0.02 * norm(data as Float32Array) + 2e-5;
    assert.ok(error <= allowed, `${name}: the error is ${error}, of ${norm(data as Float32Array)}`);
  }
  const unchanged = await step(1e30);
  for (const [name, value] of unchanged) {
    if (/running/.test(name)) continue;
    assert.equal(value, state[name].data, name);
  }
});

for (const [name, optimizer] of [
  ['adam', adam({ learningRate: 1 })],
  ['novograd', novograd({ learningRate: 1 })],
] as const) {
  test(`${name}: losses, weights and running statistics of five steps are within 1e-4 of PyTorch`, async () => {
    const part = stepGraph({ model: network(), inputDims, loss: diceCELoss(golden.loss), optimizer });
    const session = await ort.InferenceSession.create(writeModel(part.graph), { logSeverityLevel: 3 });
    const { lr, losses } = golden.optimizers[name];
    const learningRate = new ort.Tensor('float32', [lr], []);
    let state = initialState(part);
    for (let step = 0; step < 5; step++) {
      const result = await session.run({ ...state, ...imagesOf(part, step), learningRate });
      const loss = (result['loss'].data as Float32Array)[0];
      assert.ok(Math.abs(loss - losses[step]) <= tolerance, `step ${step}: the loss is ${loss}`);
      state = Object.fromEntries(part.state.map(({ name: entry, next }) => [entry, result[next]]));
      if (step === 0 || step === 4) compare(state, golden.tensors(`${name}/after${step + 1}/`), step);
    }
    assert.is((state['optimizer.step'].data as Float32Array)[0], 5);
  });
}

function compare(
  state: Readonly<Record<string, ort.Tensor>>,
  expected: ReadonlyMap<string, { data: ArrayLike<unknown> }>,
  step: number,
): void {
  for (const [name, { data }] of expected) {
    const [found, wanted] = [state[name].data as Float32Array, data as Float32Array];
    let allowed = tolerance * norm(wanted);
    if (idle().has(name)) continue;
    const bias = name.replace(/adn\.N\.running_mean$/, 'conv.bias');
    if (step > 0 && idle().has(bias)) {
      // How far PyTorch's bias went from where it began; each mean has seen a part of that way.
      const drift = distance(
        expected.get(bias)!.data as Float32Array,
        golden.tensor(`init/${bias}`).data as Float32Array,
      );
      allowed += drift;
    }
    const error = distance(found, wanted);
    assert.ok(error <= allowed, `${name} after step ${step}: the error is ${error}, of ${norm(wanted)}`);
  }
}

test.run();
