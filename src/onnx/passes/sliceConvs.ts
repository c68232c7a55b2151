import {
  consumers,
  convConstants,
  floatOf,
  intOf,
  intsOf,
  isOp,
  onlyConsumer,
  rewriteNodes,
  textOf,
} from '../edit.js';
import type { Attribute, Graph, GraphNode } from '../graph.js';
import { priceOfByte } from '../sessionBytes.js';
import type { Shapes } from '../shapes.js';
import { convSlices } from '../slices/conv.js';
import { type LayerCosts, usualCosts } from '../slices/costs.js';
import { kernelOf } from '../slices/filters.js';
import { normFits, normSlices } from '../slices/norm.js';
import { rowBufferOpset } from '../slices/rowBuffer.js';
import { convNarrowShuffle, convShuffle, narrowShuffle, shuffleSlices } from '../slices/shuffle.js';
import type { SliceConv } from '../slices/sliceConv.js';
import { blockedOf, nchwc, planarOf, type Slices, SliceWriter } from '../slices/values.js';
import { numbersOf } from '../tensor.js';
import { type FoundNorm, findNorm } from './findNorm.js';
import { isPixelShuffle } from './pixelShuffle.js';
import { raiseOpset } from './raiseOpset.js';

/** The metadata key that says for which block size a model was written. */
export const blockKey = 'voxstream.block';

/** Activations that a blocked convolution does itself, with their parameters. */
const fused: Readonly<Record<string, (node: GraphNode) => readonly number[]>> = {
  Relu: () => [],
  Sigmoid: () => [],
  Tanh: () => [],
  LeakyRelu: (node) => [floatOf(node, 'alpha', 0.01)],
};

/** Operators on values of the same size. */
const sums = ['Add', 'Sub', 'Mul', 'Sum'];

/** Operators that do the same to every value, wherever it lies. */
const elementwise = ['Relu', 'LeakyRelu', 'Sigmoid', 'Tanh', 'Elu', 'Softplus', 'Identity'];

export interface SliceOptions {
  /**
   * The most output slices that Winograd's algorithm may compute at a time: rounding errors grow with it. 1
   * disables it. Default: 6.
   */
  readonly largestTile?: number;
  /**
   * Whether the model will take one window at a time. Then normalizations of instances and groups are
   * computed on slices, too; ONNX Runtime refuses to run such a graph on several windows. Default: false.
   */
  readonly oneWindow?: boolean;
  /** What parts of a layer take on the processor. Default: `usualCosts`. */
  readonly costs?: LayerCosts;
}

/**
 * Writes 3D convolutions as 2D convolutions over depth slices: the depth becomes the batch, and slices are
 * shifted to where a depth tap reads them. Features stay slices from the first convolution to the last,
 * through activations, sums, concatenations of channels and pixel shuffles; what is none of these gets the
 * value in its usual order. Sizes of the windows must be known; the batch may vary.
 *
 * ONNX Runtime has fast kernels for 2D convolutions only, on channels in blocks of 8 or 16 by processor. They
 * are written as it would write them itself (`com.microsoft.nchwc`), so that features stay blocked. Each
 * depth tap is a convolution whose result is added to the one before, and those of depth 3 use Winograd's
 * algorithm along the depth. The file holds for machines with this block size; its metadata says so
 * (`voxstream.block`).
 *
 * @param block The machine's `channelBlock`, above 1. Without blocked kernels, slices are slower than
 * volumes.
 */
export function sliceConvs(
  given: Graph,
  shapes: Shapes,
  block: number,
  { largestTile = 6, oneWindow = false, costs = usualCosts }: SliceOptions = {},
): Graph {
  const graph = oneWindow ? raiseOpset(given, rowBufferOpset) : given;
  const inPlace = oneWindow && graph.opset >= rowBufferOpset;
  const uses = consumers(graph);
  const blocked = new Map<string, readonly Slices[]>();
  /** Values that exist in the copy as the graph has them: [N, channels, depth, height, width]. */
  const whole = new Set([...graph.initializers.keys(), ...graph.inputs.map(({ name }) => name)]);
  const done = new Set<string>();
  let writer: SliceWriter | undefined;

  const rewritten = rewriteNodes(graph, (node, copy) => {
    writer ??= new SliceWriter(copy, block, largestTile, inPlace, costs, priceOfByte(graph, shapes));
    if (done.has(node.outputs[0])) return true;
    writer.startLayer();
    const result = sliced(node, writer);
    if (result) {
      blocked.set(result.value, result.slices);
      done.add(result.value);
      if (graph.outputs.some(({ name }) => name === result.value)) makeWhole(writer, result.value);
      return true;
    }
    for (const input of [...node.inputs, ...node.captures]) makeWhole(writer, input);
    for (const output of node.outputs) whole.add(output);
    return false;
  });
  if (blocked.size === 0) return given;
  rewritten.domains[nchwc] = 1;
  rewritten.metadata[blockKey] = String(block);
  return rewritten;

  function makeWhole(to: SliceWriter, value: string): void {
    const slices = blocked.get(value);
    if (!slices || whole.has(value)) return;
    wholeValue(to, joined(to, slices), value);
    whole.add(value);
  }

  /** The activation that alone uses a value, and the value after it. */
  function activated(output: string): Pick<SliceConv, 'activation'> & { value: string } {
    const next = onlyConsumer(graph, uses, output);
    const fuses = isOp(next, ...Object.keys(fused));
    return { activation: fuses ? activate(next) : {}, value: fuses ? next.outputs[0] : output };
  }

  function normalizedSlices(to: SliceWriter, parts: readonly Slices[], norm: FoundNorm) {
    const { activation, value } = activated(norm.output);
    let first = 0;
    const slices = parts.map((part) => {
      const own = (values: Float32Array) => values.subarray(first, first + part.channels);
      const made = normSlices(to, part, {
        ...norm,
        scale: own(norm.scale),
        bias: own(norm.bias),
        activation,
      });
      first += part.channels;
      return made;
    });
    return { value, slices };
  }

  /** The inputs of a node that are slices. Where volumes are joined, those that are not become slices. */
  function slicesOfInputs(node: GraphNode, to: SliceWriter): (readonly Slices[] | undefined)[] {
    const known = node.inputs.map((name) => blocked.get(name));
    const joins =
      isOp(node, ...sums) || (isOp(node, 'Concat') && intOf(node, 'axis', 0) === 1 && node.inputs.length > 1);
    const sizes = node.inputs.map((name) => shapes.get(name)?.slice(2).join());
    const alike = sizes.every((size) => size !== undefined && size === sizes[0]);
    if (!joins || !alike || known.every((input) => input === undefined)) return known;
    return known.map((input, i) => input ?? slicesOf(to, node.inputs[i], shapes.get(node.inputs[i])));
  }

  /**
   * A sum as part of a convolution of which only the sum reads the result: the convolution then starts from
   * the other summand. Undefined when there is no such convolution.
   */
  function addedByConv(node: GraphNode, { graph: copy }: SliceWriter, parts: readonly Slices[]) {
    for (const [i, { name }] of parts.entries()) {
      const at = copy.nodes.findIndex(({ outputs }) => outputs[0] === name);
      const conv = copy.nodes[at];
      const plain = conv?.domain === nchwc && conv.op === 'Conv' && conv.inputs.length < 4;
      if (!plain || conv.attributes['activation'] || !onlyConsumer(graph, uses, node.inputs[i])) continue;
      copy.nodes.splice(at, 1);
      const [x, filter, bias = ''] = conv.inputs;
      return copy.addNode('Conv', [x, filter, bias, parts[1 - i].name], conv.attributes, { domain: nchwc });
    }
    return undefined;
  }

  /** A node on slices, and the value it makes (its activation's, when that is fused), or undefined. */
  function sliced(
    node: GraphNode,
    to: SliceWriter,
  ): { value: string; slices: readonly Slices[] } | undefined {
    const [output] = node.outputs;
    const inputs = slicesOfInputs(node, to);
    const conv = sliceConv(graph, node);
    if (conv && isWideHead(graph, node)) return undefined;
    if (conv) {
      const from = inputs[0] ?? slicesOf(to, node.inputs[0], shapes.get(node.inputs[0]));
      if (!from) return undefined;
      const { activation, value } = activated(output);
      const isOutput = graph.outputs.some(({ name }) => name === value);
      const activatedConv = { ...conv, activation, isOutput };
      const shuffle = onlyConsumer(graph, uses, value);
      const factors = shuffle && isPixelShuffle(shuffle) ? intsOf(shuffle, 'factors', []) : [];
      const narrow = narrowShuffle(to, activatedConv, factors);
      if (shuffle && narrow) {
        const slices = convNarrowShuffle(to, from, activatedConv, factors, narrow);
        return { value: shuffle.outputs[0], slices: [slices] };
      }
      const lazy = factors.length === 3 && convShuffle(to, from, activatedConv, factors);
      if (shuffle && lazy) return { value: shuffle.outputs[0], slices: [lazy] };
      return { value, slices: [convSlices(to, from, activatedConv)] };
    }
    const norm = oneWindow ? findNorm(graph, uses, node, shapes) : undefined;
    if (norm && inputs[0]) {
      const fits = (parts: readonly Slices[]) => parts.every((part) => normFits(to, part, norm.together));
      const parts = fits(inputs[0]) ? inputs[0] : [joined(to, inputs[0])];
      if (fits(parts)) return normalizedSlices(to, parts, norm);
    }
    if (inputs.length === 0 || !inputs.every((input) => input !== undefined)) return undefined;
    if (isOp(node, 'Concat') && intOf(node, 'axis', 0) === 1) return { value: output, slices: inputs.flat() };
    const parts = sameLayout(
      to,
      inputs.map((input) => joined(to, input)),
    );
    const [first] = parts;
    const alike = parts.every(
      (part) => part.size.join() === first.size.join() && part.channels === first.channels,
    );
    const added = isOp(node, 'Add') && alike && addedByConv(node, to, parts);
    if (added) return { value: output, slices: [{ ...first, name: added }] };
    if (isOp(node, ...elementwise) || (isOp(node, ...sums) && alike)) {
      const name = to.graph.addNode(
        node.op,
        parts.map((part) => part.name),
        node.attributes,
      );
      return { value: output, slices: [{ ...first, name }] };
    }
    const shuffled = isPixelShuffle(node) && shuffleSlices(to, first, intsOf(node, 'factors', []));
    return shuffled ? { value: output, slices: [shuffled] } : undefined;
  }
}

function activate(node: GraphNode): Readonly<Record<string, Attribute>> {
  const parameters = fused[node.op](node);
  return {
    activation: node.op,
    ...(parameters.length > 0 ? { activation_params: { floats: parameters } } : {}),
  };
}

/**
 * True for a last 1x1x1 convolution that makes more channels than it reads: a head of many classes. Its input
 * is made whole instead of its output, which would be in memory three times (blocked, planar and whole).
 */
function isWideHead(graph: Graph, node: GraphNode): boolean {
  const weight = graph.initializers.get(node.inputs[1]);
  if (!weight || !graph.outputs.some(({ name }) => name === node.outputs[0])) return false;
  const [outputs, inputs, ...kernel] = weight.dims;
  return outputs > inputs && kernel.every((n) => n === 1);
}

/** What a node convolves with, if it is a 3D convolution of one group with constant weights. */
function sliceConv(graph: Graph, node: GraphNode): Omit<SliceConv, 'activation'> | undefined {
  const constants = convConstants(graph, node, 'Conv');
  if (constants?.weight.dims.length !== 5) return undefined;
  if (intOf(node, 'group', 1) !== 1 || textOf(node, 'auto_pad', 'NOTSET') !== 'NOTSET') return undefined;
  return {
    kernel: kernelOf(constants.weight),
    bias: constants.bias ? numbersOf(constants.bias) : [],
    strides: intsOf(node, 'strides', [1, 1, 1]),
    dilations: intsOf(node, 'dilations', [1, 1, 1]),
    pads: intsOf(node, 'pads', [0, 0, 0, 0, 0, 0]),
  };
}

/** Slices of a whole value, or undefined when its size is not known. */
function slicesOf(
  writer: SliceWriter,
  value: string,
  dims: readonly number[] | undefined,
): Slices[] | undefined {
  if (dims?.length !== 5) return undefined;
  const [, channels, depth, height, width] = dims;
  const size = [depth, height, width] as const;
  const { graph, block } = writer;
  const apart = channels === 1 ? value : graph.addNode('Transpose', [value], { perm: [0, 2, 1, 3, 4] });
  const planar: Slices = {
    name: writer.reshape(apart, [-1, channels, height, width]),
    layout: 'planar',
    channels,
    size,
  };
  return [channels < block ? planar : blockedOf(writer, planar)];
}

/** Several slices joined along the channels. */
function joined(writer: SliceWriter, parts: readonly Slices[]): Slices {
  if (parts.length === 1) return parts[0];
  const { graph, block } = writer;
  const channels = parts.reduce((sum, part) => sum + part.channels, 0);
  const blocks = parts.every(
    (part, i) => part.layout === 'blocked' && (i === parts.length - 1 || part.channels % block === 0),
  );
  const names = parts.map((part) => (blocks ? part.name : planarOf(writer, part)));
  const layout = blocks ? 'blocked' : 'planar';
  return { ...parts[0], layout, channels, name: graph.addNode('Concat', names, { axis: 1 }) };
}

/** Slices of several values as they are when all lie alike, else all planar. */
function sameLayout(writer: SliceWriter, parts: readonly Slices[]): Slices[] {
  if (parts.every(({ layout }) => layout === parts[0].layout)) return [...parts];
  return parts.map((part) => ({ ...part, layout: 'planar', name: planarOf(writer, part) }));
}

/** The whole value [N, channels, depth, height, width] of slices, under a separate name. */
function wholeValue(writer: SliceWriter, slices: Slices, output: string): void {
  const { channels, size } = slices;
  const [depth, height, width] = size;
  const planar = planarOf(writer, slices);
  if (channels === 1) writer.reshape(planar, [-1, 1, depth, height, width], output);
  else {
    const apart = writer.reshape(planar, [-1, depth, channels, height, width]);
    writer.graph.addNode('Transpose', [apart], { perm: [0, 2, 1, 3, 4] }, { outputs: [output] });
  }
}
