import type { Graph } from '../graph.js';
import { featureBytes } from '../sessionBytes.js';
import type { Shapes } from '../shapes.js';
import { int64s, sizeOf } from '../tensor.js';

/** Largest values of fewer bytes are left to ONNX Runtime. */
const large = 64 * 2 ** 20;

/**
 * Lets ONNX Runtime reserve memory so that the largest value has its own region in every run.
 *
 * ONNX Runtime's arena takes memory in regions whose sizes are powers of two and grow. Where the largest
 * value fills its region, the next region is as large. Both are free at the end of a run, and the next run
 * may swap them: then both are used up, although the other values need a part of one only.
 *
 * Here, two values that are each a bit larger than a quarter of the region for the largest value come first.
 * The arena makes two regions of half its size for them, in which the other values then are. The two
 * values are copies of the input, and end as nothing that is appended to it. For a window of 128 x 128 x 128
 * and 32 features, a session takes 170 MiB less.
 */
export function reserveMemory(graph: Graph, shapes: Shapes): Graph {
  const { largest, most } = featureBytes(graph, shapes);
  const region = 2 ** Math.ceil(Math.log2(largest));
  const [input] = graph.inputs;
  const dims = shapes.get(input.name);
  const captured = graph.nodes.some(({ captures }) => captures.includes(input.name));
  if (largest < large || most <= region || dims?.[0] !== 1 || captured) return graph;
  const copy = graph.clone();
  const count = Math.floor(region / 4 / (4 * sizeOf(dims))) + 1;
  const shape = copy.addConstant('reserved', int64s([count, ...dims.slice(1)]));
  const zero = copy.addConstant('zero', int64s([0]));
  const first = copy.addNode('Expand', [input.name, shape]);
  const second = copy.addNode('Concat', [first, input.name], { axis: 0 });
  const nothing = copy.addNode('Slice', [second, zero, zero, zero]);
  const whole = copy.addNode('Concat', [input.name, nothing], { axis: 0 });
  const added = copy.nodes.splice(graph.nodes.length);
  for (const node of copy.nodes)
    node.inputs = node.inputs.map((name) => (name === input.name ? whole : name));
  copy.nodes.unshift(...added);
  return copy;
}
