import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { channelBlock } from '#src/onnx/blockSize.js';
import { newNetwork } from '#src/onnx/builders/buildNetwork.js';
import { writeModel } from '#src/onnx/modelFile.js';
import * as ort from '#src/onnx/ort.js';
import { sizeOf } from '#src/onnx/tensor.js';
import { diceCELoss } from '#src/onnx/training/losses.js';
import { sgd } from '#src/onnx/training/optimizers.js';
import { splitStepGraphs } from '#src/onnx/training/stepGraph.js';
import { distance, norm } from './golden.js';

const inputDims = [2, 1, 8, 8, 16];

/** Loss, gradients and next statistics of a network, by name, on a processor with blocks of this size. */
async function gradientsOf(config: object, block: number) {
  const model = newNetwork('UNet', { in_channels: 1, out_channels: 2, num_res_units: 2, ...config }, 3, {
    size: [16, 8, 8],
  });
  const { gradients } = splitStepGraphs({
    model,
    inputDims,
    loss: diceCELoss({ softmax: true }),
    optimizer: sgd({ learningRate: 1 }),
    block,
  });
  const session = await ort.InferenceSession.create(writeModel(gradients.graph), { logSeverityLevel: 3 });
  const image = Float32Array.from({ length: sizeOf(inputDims) }, (_, i) => Math.sin(i * i));
  const result = await session.run({
    ...Object.fromEntries(
      gradients.state.map(({ name, dims: sizes, initial }) => [
        name,
        new ort.Tensor('float32', initial.data as Float32Array, sizes),
      ]),
    ),
    [gradients.image as string]: new ort.Tensor('float32', image, inputDims),
    label: new ort.Tensor(
      'uint8',
      Uint8Array.from(image, (value, i) => Number(value > 0.3 || i % 8 > 5)),
      inputDims,
    ),
  });
  await session.release();
  return {
    graph: gradients.graph,
    values: new Map(Object.entries(result).map(([name, { data }]) => [name, data as Float32Array])),
  };
}

const networks: Readonly<Record<string, object>> = {
  'batch normalization and PReLU': { channels: [16, 32, 16], strides: [2, 2], norm: 'batch' },
  'instance normalization and PReLU of channels': {
    channels: [16, 16],
    strides: [[2, 1, 2]],
    out_channels: 16,
    norm: ['instance', { affine: true }],
    act: ['prelu', { num_parameters: 16 }],
  },
  'instance normalization, also of fewer channels than a block': {
    channels: [16, 16],
    strides: [2],
    norm: ['instance', { affine: true }],
    act: 'relu',
  },
};

const block = await channelBlock();
for (const [name, config] of block > 1 ? Object.entries(networks) : []) {
  test(`a step in blocks has the loss and the gradients of a standard one: ${name}`, async () => {
    const [plain, blocked] = [await gradientsOf(config, 1), await gradientsOf(config, block)];
    const standard = blocked.graph.nodes.filter(({ op, domain }) => op === 'Conv' && domain === '');
    // The last convolution, of two channels, and its gradients.
    assert.ok(standard.length <= 4, standard.map(({ name: node }) => node).join());
    assert.equal([...blocked.values.keys()].sort(), [...plain.values.keys()].sort());
    for (const [output, expected] of plain.values) {
      const error = distance(blocked.values.get(output)!, expected);
      // Single numbers, the slopes of PReLU, are sums of many that nearly cancel.
      assert.ok(error <= 5e-5 * norm(expected), `${output}: ${error} of ${norm(expected)}`);
    }
  });
}

test.run();
