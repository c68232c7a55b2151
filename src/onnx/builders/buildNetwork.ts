import { OptionError, unknownName } from '../../errors.js';
import type { Graph, GraphNode } from '../graph.js';
import type { Tensor } from '../tensor.js';
import { freshWeights } from './freshWeights.js';
import type { ConfiguredNetwork, Network } from './network.js';
import { type BuildContext, NetworkBuilder, type WeightSource } from './networkBuilder.js';
import { networkNames, networks } from './networks/index.js';

/**
 * A network as an ONNX graph (opset 17): input `input` [n, inputs, x, y, z], output `output` [n, outputs, x,
 * y, z], both float32, of any batch size. Most networks take any spatial size that suits their strides;
 * transformers are built for the one in `context`. Parameters keep their names.
 *
 * @param name One of `networkNames` (letter case does not matter), or a definition from elsewhere.
 * @param config The parameters of MONAI's class, under its names; those left out have MONAI's defaults.
 * @param state The trained weights by name: a state dict.
 * @throws OptionError for an unknown network or a faulty configuration, all of its faults at once; ModelError
 * naming every tensor that is missing, unexpected or of another shape.
 */
export function buildNetwork(
  name: string | Network,
  config: object,
  state: ReadonlyMap<string, Tensor>,
  context: BuildContext = {},
): Graph {
  return finished(layersOf(name, config, () => state, context));
}

/**
 * A network with the weights that a training begins with, the same for the same seed: convolutions as in
 * PyTorch (see
 * `WeightScheme`), normalizations 1 and 0, slopes of PReLU 0.25 (or `init`). Otherwise as `buildNetwork`.
 */
export function newNetwork(
  name: string | Network,
  config: object,
  seed: number,
  context: BuildContext = {},
): Graph {
  return finished(layersOf(name, config, ({ start }) => freshWeights(seed, start), context));
}

/** A network's layers around its weights, which may be incomplete: see `NetworkBuilder.finish`. */
export function layersOf(
  name: string | Network,
  config: object,
  weights: (network: ConfiguredNetwork) => WeightSource,
  context: BuildContext,
): NetworkBuilder {
  const network = typeof name === 'string' ? findNetwork(name) : name;
  const { built, faults } = network.configure(config);
  if (!built) {
    const lines = faults.map(({ path, message }) => `  ${path.length ? `${path.join('.')} ` : ''}${message}`);
    throw new OptionError(
      `The configuration of the network ${network.name} is faulty:\n` +
        lines.map((line) => (line.endsWith('?') ? line : `${line}.`)).join('\n'),
    );
  }
  const net = new NetworkBuilder(network.name, weights(built));
  const size = built.size(context.size);
  const sizes = size ?? ['x', 'y', 'z'];
  const input = net.graph.addInput('input', 'float32', ['n', built.inputs, ...sizes]);
  const result = built.build(net, input, size);
  // The output is the last node's own: passes that change the head of a network look at the node that makes
  // it.
  const last = net.graph.nodes.find(({ outputs }) => outputs[0] === result) as GraphNode;
  last.outputs = ['output'];
  net.graph.addOutput('output', 'float32', ['n', built.outputs, ...sizes]);
  return net;
}

function findNetwork(name: string): Network {
  const found = networks.find((network) => network.name.toLowerCase() === name.toLowerCase());
  if (found) return found;
  throw new OptionError(`In the model to import, ${unknownName('network', name, networkNames)}`);
}

function finished(net: NetworkBuilder): Graph {
  net.finish();
  return net.graph;
}
