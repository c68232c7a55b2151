import { OptionError, unknownName } from '../../errors.js';
import { type Configurable, checkOptions } from '../../options.js';
import type { Graph, GraphNode } from '../graph.js';
import type { Tensor } from '../tensor.js';
import { basicUNet } from './basicUNet.js';
import { dynUNet } from './dynUNet.js';
import { freshWeights, type WeightScheme } from './freshWeights.js';
import { Layers, type WeightSource } from './layers.js';
import { segResNet } from './segResNet.js';
import { unet } from './unet.js';

/** The networks that can be built. */
export const networks = [unet, basicUNet, segResNet, dynUNet];

/** The networks that can be built, by MONAI's class names. */
export const networkNames: readonly string[] = networks.map(({ name }) => name);

/**
 * A network as an ONNX graph (opset 17): input `input` [n, in_channels, x, y, z], output `output` [n,
 * out_channels, x, y, z], both float32 and of any batch and spatial size that the network itself can take.
 * Parameters keep their names.
 *
 * @param network One of `networkNames`; letter case does not matter.
 * @param config The parameters of MONAI's class, under its names; what is left out has MONAI's default.
 * @param state The trained weights by name: a state dict.
 * @throws OptionError for an unknown network or a faulty configuration, all of its faults at once; ModelError
 * naming every tensor that is missing, unexpected or of another shape.
 */
export function buildNetwork(network: string, config: object, state: ReadonlyMap<string, Tensor>): Graph {
  return build(network, config, () => state);
}

/**
 * A network with the weights that it begins its training with, the same for the same seed: convolutions as in PyTorch (see
 * `WeightScheme`), normalizations 1 and 0, slopes of PReLU 0.25 (or `init`). Otherwise as `buildNetwork`.
 */
export function newNetwork(network: string, config: object, seed: number): Graph {
  return build(network, config, (scheme) => freshWeights(seed, scheme));
}

function build(network: string, config: object, weights: (scheme: WeightScheme) => WeightSource): Graph {
  const definition = networks.find(({ name }) => name.toLowerCase() === network.toLowerCase());
  if (!definition)
    throw new OptionError(`In the model to import, ${unknownName('network', network, networkNames)}`);
  const { options, faults } = checkOptions(definition as Configurable, config);
  if (!options) {
    throw new OptionError(
      `The configuration of the network ${definition.name} is faulty:\n${faults
        .map(({ path, message }) => `  ${path.length ? `${path.join('.')} ` : ''}${message}`)
        .map((fault) => (fault.endsWith('?') ? fault : `${fault}.`))
        .join('\n')}`,
    );
  }
  const layers = new Layers(definition.name, weights(definition.start ?? 'uniform'));
  const { graph } = layers;
  const checked = options as { in_channels: number; out_channels: number };
  const sizes = ['x', 'y', 'z'];
  const input = graph.addInput('input', 'float32', ['n', checked.in_channels, ...sizes]);
  const result = definition.build(layers, input, options as never);
  layers.finish();
  // The last node's own output, for passes that change the head of a network look at the node that makes it.
  const last = graph.nodes.find(({ outputs }) => outputs[0] === result) as GraphNode;
  last.outputs = ['output'];
  graph.addOutput('output', 'float32', ['n', checked.out_channels, ...sizes]);
  return graph;
}
