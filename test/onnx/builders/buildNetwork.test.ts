import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, OptionError } from '#src/errors.js';
import { buildNetwork } from '#src/onnx/builders/buildNetwork.js';
import { actOption } from '#src/onnx/builders/config.js';
import { act } from '#src/onnx/builders/layers/act.js';
import { NetworkBuilder } from '#src/onnx/builders/networkBuilder.js';
import { readCheckpoint } from '#src/onnx/checkpoint/readCheckpoint.js';
import { floats, type Tensor } from '#src/onnx/tensor.js';
import { Random } from '#src/volume/random.js';
import { shared, sharedPath, testNeeding } from '../../needs.js';
import { largestDifference, runGraph } from '../runGraph.js';

/**
 * Networks with random weights, an input and PyTorch's output, made by make.py of that folder with PyTorch
 * 1.13.
 */
function fixture(name: string): string {
  return fileURLToPath(new URL(`../../../../test/fixtures/networks/${name}`, import.meta.url));
}

type State = ReadonlyMap<string, Tensor>;
const cases: Record<string, { network: string; config: object }> = JSON.parse(
  readFileSync(fixture('cases.json'), 'utf8'),
);

/** The largest difference, as a part of the largest value where that is above 1. */
function difference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let largest = 1;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]));
  return largestDifference(found, expected) / largest;
}

function message(build: () => unknown, type: typeof ModelError | typeof OptionError): string {
  try {
    build();
  } catch (error) {
    assert.instance(error, type);
    return (error as Error).message;
  }
  return 'nothing was thrown';
}

for (const [name, { network, config }] of Object.entries(cases)) {
  test(`${name} computes what PyTorch computes, within 1e-5`, async () => {
    const graph = buildNetwork(network, config, await readCheckpoint(fixture(`${name}.pt`)));
    const io = await readCheckpoint(fixture(`${name}.io.pt`));
    const result = await runGraph(graph, io.get('input')!);
    assert.equal(result.dims, io.get('output')!.dims);
    const worst = difference(result.data as Float32Array, io.get('output')!.data as Float32Array);
    assert.ok(worst <= 1e-5, `largest difference ${worst}`);
  });
}

test('every activation computes what PyTorch computes', async () => {
  const values = await readCheckpoint(fixture('activations.pt'));
  const input = values.get('input')!;
  for (const [written, expected] of values) {
    if (written === 'input') continue;
    const spec = actOption.parse(JSON.parse(written));
    const count = spec.kind === 'prelu' ? spec.num_parameters : 0;
    const net = new NetworkBuilder(
      'act',
      new Map([['a.weight', floats([count], [0.3, -0.2].slice(0, count))]]),
    );
    const x = net.graph.addInput('x', 'float32', input.dims);
    net.graph.addOutput(act(net, 'a', x, spec), 'float32', input.dims);
    const result = await runGraph(net.graph, input);
    const worst = difference(result.data as Float32Array, expected.data as Float32Array);
    assert.ok(worst <= 2e-6, `${written}: largest difference ${worst}`);
  }
});

test('weights of half precision are decoded', async () => {
  const { network, config } = cases['unet_bare'];
  const state = await readCheckpoint(fixture('unet_bare.pt'));
  // The upper halves of float32 are bfloat16.
  const halves = new Map<string, Tensor>();
  const cut = new Map<string, Tensor>();
  for (const [name, { dims, data }] of state) {
    const bits = new Uint32Array((data as Float32Array).slice().buffer).map((word) => word & 0xffff0000);
    cut.set(name, { type: 'float32', dims, data: new Float32Array(bits.buffer) });
    halves.set(name, { type: 'bfloat16', dims, data: Uint16Array.from(bits, (word) => word >>> 16) });
  }
  const [a, b] = [halves, cut].map((weights) => buildNetwork(network, config, weights));
  assert.equal([...a.initializers], [...b.initializers]);
});

const demo = shared('models/spleen_demo');
testNeeding(
  demo,
  'the demo model, built from its checkpoint, equals the one that PyTorch exported',
  async () => {
    const [checkpoint, exported, card] = ['model.pt', 'model.onnx', 'metadata.json'].map((file) =>
      sharedPath(`models/spleen_demo/${file}`),
    );
    const { type, ...config } = JSON.parse(readFileSync(card, 'utf8')).network;
    const random = new Random(5);
    const dims = [1, 1, 32, 48, 32];
    const input = floats(
      dims,
      Float32Array.from({ length: 32 * 48 * 32 }, () => random.uint32() / 2 ** 32),
    );
    const built = await runGraph(buildNetwork(type, config, await readCheckpoint(checkpoint)), input);
    const expected = await runGraph(exported, input);
    const worst = difference(built.data as Float32Array, expected.data as Float32Array);
    assert.ok(worst <= 1e-5, `largest difference ${worst}`);
  },
);

test('every tensor that is missing, misshapen or unexpected is named at once', async () => {
  const { network, config } = cases['unet_residual'];
  const state = new Map<string, Tensor>(await readCheckpoint(fixture('unet_residual.pt')));
  state.delete('model.0.residual.weight');
  state.set('model.0.conv.unit0.conv.bias', floats([5], [1, 2, 3, 4, 5]));
  state.set('model.0.conv.unit0.adn.N.weight', { type: 'int32', dims: [4], data: new Int32Array(4) });
  state.set('head.weight', floats([1], [0]));
  const said = message(() => buildNetwork(network, config, state as State), ModelError);
  assert.match(said, /The weights do not fit the network UNet as it is configured \(4 faults\)/);
  assert.match(said, /model\.0\.residual\.weight is missing; it must be \[4, 1, 3, 3, 3\]/);
  assert.match(said, /model\.0\.conv\.unit0\.conv\.bias is \[5\], but must be \[4\]/);
  assert.match(said, /model\.0\.conv\.unit0\.adn\.N\.weight is of type int32/);
  assert.match(said, /head\.weight is not expected/);
  assert.is(said.split('\n').length, 6);
});

test('a faulty configuration is refused, all of its faults at once', () => {
  const faulty = (network: string, config: object) =>
    message(() => buildNetwork(network, config, new Map()), OptionError);
  const sizes = { in_channels: 1, out_channels: 2 };
  const said = faulty('unet', { ...sizes, channels: [4, 'x'], strides: [0], norm: 'layer', chanels: 3 });
  assert.match(said, /channels\.1 must be a number, but it is "x"/);
  assert.match(said, /strides\.0 must be more than 0/);
  assert.match(said, /norm must be instance, batch or group, but it is "layer"/);
  assert.match(said, /chanels is not an option of UNet; did you mean "channels"\?$/m);
  assert.match(
    faulty('UNet', { channels: [4, 8], strides: [2] }),
    /in_channels is required \(Channels of the image\)\.\n {2}out_channels is required/,
  );
  const good = { ...sizes, channels: [4, 8, 8], strides: [2, 2] };
  assert.match(faulty('UNet', { ...good, strides: [2] }), /strides has 1 entries, but 3 channels need 2/);
  assert.match(
    faulty('UNet', { ...good, kernel_size: [3, 2, 3] }),
    /kernel_size is \[3, 2, 3\], but must be odd/,
  );
  assert.match(faulty('UNet', { ...good, spatial_dims: 2 }), /spatial_dims must be 3/);
  assert.match(
    faulty('UNet', { ...good, adn_ordering: 'NNA' }),
    /adn_ordering must be some of the letters N, D and A/,
  );
  assert.match(
    faulty('UNet', { ...good, norm: ['group', {}] }),
    /norm must be "group" with options that fit it \(num_groups/,
  );
  assert.match(
    faulty('UNet', { ...good, norm: ['batch', { track_running_stats: false }] }),
    /track_running_stats/,
  );
  assert.match(faulty('UNet', { ...good, act: 'rely' }), /act must be relu, leakyrelu/);
  const whole = { ...sizes, kernel_size: [3, 3, 3], strides: [2, 2, 2], upsample_kernel_size: [2, 2] };
  assert.match(faulty('DynUNet', whole), /strides\.0 is \[2, 2, 2\], but must be 1/);
  const dyn = { ...sizes, kernel_size: [3, 1, 3], strides: [1, 3, 2], upsample_kernel_size: [2] };
  assert.match(faulty('DynUNet', dyn), /upsample_kernel_size has 1 entries, but 3 strides need 2/);
  assert.match(
    faulty('DynUNet', dyn),
    /strides\.1 is \[3, 3, 3\], which is too large for the kernel \[1, 1, 1\]/,
  );
  assert.match(
    faulty('SegResNet', { blocks_up: [1] }),
    /blocks_up has 1 entries, but blocks_down with its 4 needs 3/,
  );
  assert.match(faulty('UNet3', good), /there is no network "UNet3"; did you mean "UNet"\?/);
  assert.match(
    message(() => buildNetwork('SegResNet', { init_filters: 4 }, new Map()), ModelError),
    /norm1 cannot divide 4 channels into 8 groups/,
  );
});

test.run();
