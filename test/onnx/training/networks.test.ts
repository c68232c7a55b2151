import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { newNetwork } from '#src/onnx/builders/buildNetwork.js';
import { writeModel } from '#src/onnx/modelFile.js';
import * as ort from '#src/onnx/ort.js';
import { sizeOf } from '#src/onnx/tensor.js';
import { diceCELoss } from '#src/onnx/training/losses.js';
import { sgd } from '#src/onnx/training/optimizers.js';
import { splitStepGraphs } from '#src/onnx/training/stepGraph.js';
import { Random } from '#src/volume/random.js';

/**
 * Checks the gradients of all weights of a network at once: along their own direction the loss must change by
 * their norm. Compared with a central difference of a step of 1e-3 in weights; 2 % is what kinks and the
 * rounding of the loss (6e-8 of
 * 0.7, over 2e-3 times a norm of 0.1 or more) leave.
 */
async function assertTrainable(network: string, config: object, size = 8): Promise<void> {
  const cube = [size, size, size] as const;
  const model = newNetwork(network, { in_channels: 1, out_channels: 2, ...config }, 3, { size: cube });
  const inputDims = [2, 1, size, size, size];
  const loss = diceCELoss({ softmax: true });
  const { gradients } = splitStepGraphs({ model, inputDims, loss, optimizer: sgd({ learningRate: 1 }) });
  const session = await ort.InferenceSession.create(writeModel(gradients.graph), { logSeverityLevel: 3 });
  const random = new Random(4);
  const image = Float32Array.from({ length: sizeOf(inputDims) }, () => random.normal());
  const label = Uint8Array.from(image, (value, i) => Number(value > 0.3 || i % size > 5));
  const state = new Map(
    gradients.state.map(({ name, initial }) => [name, (initial.data as Float32Array).slice()]),
  );
  const run = () =>
    session.run({
      ...Object.fromEntries(
        gradients.state.map(({ name, dims }) => [name, new ort.Tensor('float32', state.get(name)!, dims)]),
      ),
      [gradients.image as string]: new ort.Tensor('float32', image, inputDims),
      label: new ort.Tensor('uint8', label, inputDims),
    });
  const first = await run();
  const slopes = new Map(
    gradients.outputs.map(({ weight, output }) => [weight, (first[output].data as Float32Array).slice()]),
  );
  let square = 0;
  for (const slope of slopes.values()) for (const value of slope) square += value ** 2;
  const norm = Math.sqrt(square);
  assert.ok(norm > 0.01 && Number.isFinite(norm), `the norm is ${norm}`);
  const lossAt = async (distance: number) => {
    for (const { name, initial } of gradients.state) {
      const slope = slopes.get(name);
      const weight = state.get(name)!;
      for (const [i, value] of (initial.data as Float32Array).entries()) {
        weight[i] = value + (slope ? (slope[i] / norm) * distance : 0);
      }
    }
    return ((await run())['loss'].data as Float32Array)[0];
  };
  const step = 1e-3;
  const difference = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
  await session.release();
  assert.ok(
    Math.abs(difference / norm - 1) < 0.02,
    `the norm is ${norm}, but the loss changes by ${difference}`,
  );
}

const unet = { channels: [4, 8], strides: [2] };
const segResNet = {
  init_filters: 4,
  norm: ['group', { num_groups: 2 }],
  blocks_down: [1, 1],
  blocks_up: [1],
};
const basicUNet = { features: [2, 2, 4, 4, 4, 2] };
const dynUNet = {
  filters: [2, 4, 4],
  kernel_size: [[3, 3, 1], 3, 3],
  strides: [1, [2, 2, 1], 2],
  upsample_kernel_size: [[2, 2, 1], 2],
};

for (const norm of [
  'batch',
  'instance',
  ['instance', { affine: true }],
  ['group', { num_groups: 2 }],
  null,
]) {
  test(`UNet can be trained with the norm ${JSON.stringify(norm)}`, () =>
    assertTrainable('UNet', { ...unet, norm }));
}
for (const act of [
  'relu',
  ['leakyrelu', { negative_slope: 0.1 }],
  ['prelu', { num_parameters: 4 }],
  'elu',
  ['celu', { alpha: 0.5 }],
  'selu',
  'relu6',
  'gelu',
  'sigmoid',
  'tanh',
  ['swish', { alpha: 1.5 }],
  'mish',
]) {
  // The same number of channels on all levels, for the slopes of PReLU.
  const config = { ...unet, channels: [4, 4], act, num_res_units: 1, out_channels: 4 };
  test(`UNet can be trained with the activation ${JSON.stringify(act)}`, () =>
    assertTrainable('UNet', config));
}
test('instance norms with running statistics are refused', async () => {
  const norm = ['instance', { track_running_stats: true }];
  await assertTrainable('UNet', { ...unet, norm }).then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, /track_running_stats, which cannot be trained/),
  );
});
test('UNet can be trained with residual units and unequal strides and kernels', async () => {
  const uneven = {
    ...unet,
    channels: [2, 4, 4],
    strides: [[2, 2, 1], 2],
    kernel_size: [3, 1, 3],
    num_res_units: 2,
  };
  await assertTrainable('UNet', uneven);
  await assertTrainable('UNet', {
    ...unet,
    norm: 'batch',
    num_res_units: 2,
    bias: false,
    adn_ordering: 'NA',
  });
});
for (const mode of ['deconv', 'nontrainable', 'pixelshuffle']) {
  test(`SegResNet can be trained with the upsampling ${mode}`, () =>
    assertTrainable('SegResNet', { ...segResNet, upsample_mode: mode }));
  // Sizes that are odd on a level, so that what is doubled must be padded.
  test(`BasicUNet can be trained with the upsampling ${mode}`, () =>
    assertTrainable('BasicUNet', { ...basicUNet, upsample: mode }, 17));
}
test('DynUNet can be trained, with residual blocks, too', async () => {
  await assertTrainable('DynUNet', dynUNet);
  await assertTrainable('DynUNet', { ...dynUNet, res_block: true, norm_name: 'batch' });
});

const others: Readonly<Record<string, readonly [config: object, size: number]>> = {
  SegResNetDS: [{ init_filters: 4, blocks_down: [1, 1], norm: 'instance' }, 8],
  AttentionUnet: [{ channels: [4, 8], strides: [2] }, 8],
  BasicUNetPlusPlus: [{ features: [2, 2, 4, 4, 4, 2], norm: 'batch' }, 16],
  HighResNet: [
    {
      layer_params: [
        { n_features: 4, kernel_size: 3 },
        { n_features: 6, kernels: [3, 3], repeat: 1 },
        { n_features: 4, kernel_size: 1 },
        { kernel_size: 1 },
      ],
      acti_type: ['prelu', {}],
    },
    8,
  ],
  MedNeXt: [
    { init_filters: 4, kernel_size: 3, blocks_down: [1], blocks_up: [1], use_residual_connection: true },
    8,
  ],
  UNETR: [{ img_size: 32, hidden_size: 8, mlp_dim: 8, num_heads: 2, feature_size: 2 }, 32],
  SwinUNETR: [{ feature_size: 12, window_size: 3, depths: [2, 1, 1, 1], norm_name: 'batch' }, 32],
};
for (const [name, [config, size]] of Object.entries(others)) {
  test(`${name} can be trained`, () => assertTrainable(name, config, size));
}

test.run();
