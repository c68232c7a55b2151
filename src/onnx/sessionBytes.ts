import type { Graph, GraphNode } from './graph.js';
import type { Shapes } from './shapes.js';
import { sizeOf } from './tensor.js';

/**
 * The memory of a process per session beside the model: a thread, windows, a volume, a share of the program.
 * With the spleen UNet, a process of two sessions took 477 MiB, 57 MiB of it for the model in each.
 */
const besideModel = 180 * 2 ** 20;

/** The time of a network in products of direct convolutions: Winograd's algorithm takes fewer. */
const timeShare = 0.8;

/**
 * What a byte of a model's memory is worth, in products of its convolutions: time and memory are chosen so
 * that their product is small, so a change that adds a hundredth to the memory has to save a hundredth of
 * the time.
 */
export function priceOfByte(graph: Graph, shapes: Shapes): number {
  let products = 0;
  let largest = 0;
  for (const { op, inputs, outputs } of graph.nodes) {
    for (const output of outputs) largest = Math.max(largest, sizeOf(shapes.get(output) ?? [0]));
    const weight = graph.initializers.get(inputs[1]);
    const made = shapes.get(outputs[0]);
    if (op === 'Conv' && weight && made) products += sizeOf(made) * sizeOf(weight.dims.slice(1));
  }
  return (timeShare * products) / (besideModel + constantBytes(graph) + 2 * 4 * largest);
}

/** Operators whose output is in the memory of an input: which one. */
const inPlace: Readonly<Record<string, number>> = { Reshape: 0, TensorScatter: 0, Conv: 3 };

/**
 * About how many bytes a session of a model takes: constants, and the values that exist at a time when the
 * nodes run in their order. Values of unknown size are left out.
 */
export function sessionBytes(graph: Graph, shapes: Shapes): number {
  return constantBytes(graph) + featureBytes(graph, shapes).most;
}

/** Bytes of the largest value, and of all values that exist at a time when the nodes run in their order. */
export function featureBytes(graph: Graph, shapes: Shapes): { largest: number; most: number } {
  const owner = new Map<string, string>();
  const ownerOf = (value: string): string => owner.get(value) ?? value;
  const lastUse = new Map<string, number>();
  for (const [at, node] of graph.nodes.entries()) {
    const shared = sharedInput(node);
    if (shared) owner.set(node.outputs[0], ownerOf(shared));
    for (const name of [...node.inputs, ...node.captures, ...node.outputs]) lastUse.set(ownerOf(name), at);
  }
  let now = 0;
  let most = 0;
  let largest = 0;
  for (const [at, { inputs, outputs }] of graph.nodes.entries()) {
    const bytes = (name: string) => 4 * sizeOf(shapes.get(name) ?? [0]);
    for (const output of outputs) {
      if (!owner.has(output)) now += bytes(output);
      largest = Math.max(largest, bytes(output));
    }
    most = Math.max(most, now);
    for (const name of new Set([...inputs, ...outputs].map(ownerOf))) {
      if (lastUse.get(name) === at && !graph.initializers.has(name) && !isInput(graph, name))
        now -= bytes(name);
    }
  }
  return { largest, most };
}

function sharedInput({ op, inputs }: GraphNode): string | undefined {
  const at = inPlace[op];
  return at === undefined ? undefined : inputs[at];
}

function isInput({ inputs }: Graph, value: string): boolean {
  return inputs.some(({ name }) => name === value);
}

function constantBytes({ initializers }: Graph): number {
  let bytes = 0;
  for (const { data } of initializers.values()) bytes += data.byteLength;
  return bytes;
}
