import type { NetworkBuilder } from '../networkBuilder.js';
import { twos } from './conv.js';

/** Joins channels. */
export function concat(net: NetworkBuilder, inputs: readonly string[]): string {
  return net.graph.addNode('Concat', inputs, { axis: 1 });
}

export function add(net: NetworkBuilder, a: string, b: string): string {
  return net.graph.addNode('Add', [a, b]);
}

/**
 * Repeats the last voxels of each axis so that the sizes become those of `like`, which are at least as large.
 */
export function padLike(net: NetworkBuilder, input: string, like: string): string {
  const { graph } = net;
  const [size, wanted] = [input, like].map((value) => graph.addNode('Shape', [value], { start: 2 }));
  const more = graph.addNode('Sub', [wanted, size]);
  const pads = graph.addNode('Concat', [net.ints([0, 0, 0, 0, 0, 0, 0]), more], { axis: 0 });
  return graph.addNode('Pad', [input, pads], { mode: 'edge' });
}

/** Largest values of blocks of 2x2x2 voxels. */
export function maxPool(net: NetworkBuilder, input: string): string {
  return net.graph.addNode('MaxPool', [input], { kernel_shape: twos, strides: twos });
}
