import { listNames, ModelError, show } from '../../errors.js';
import { isOp } from '../edit.js';
import type { Graph } from '../graph.js';
import { reverseKernel } from '../passes/permuteAxes.js';
import { floats, sizeOf, type Tensor, toFloats } from '../tensor.js';
import { layersOf } from './buildNetwork.js';
import type { Network } from './network.js';
import type { BuildContext } from './networkBuilder.js';

/** Tensors by the names of a PyTorch state dict. */
export interface NamedWeights {
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Sentences for the user. */
  readonly notes: readonly string[];
}

/** A network as a graph with trained weights. */
export interface WeightedGraph {
  readonly graph: Graph;
  /** Whether it reads its axes in the reverse order of the network's PyTorch class. Default: false. */
  readonly reversed?: boolean;
}

/** Positions in a tensor are encoded as two numbers below this one, which float32 holds exactly. */
const base = 4096;

/**
 * The weights of a network under the names and in the shapes of PyTorch's state dict: the inverse of
 * `buildNetwork`.
 *
 * The network is built twice more with weights that number their values. What comes out says where in the
 * graph's constants each value of a parameter went, whatever the network does with its weights.
 *
 * @param network One of `networkNames`, or a definition from elsewhere.
 * @param config The configuration that the graph was built with.
 * @throws ModelError if a parameter is not among the graph's constants, or not value for value.
 */
export function stateDictOf(
  network: string | Network,
  config: object,
  { graph, reversed = false }: WeightedGraph,
  context: BuildContext = {},
): NamedWeights {
  const kernels = reversed ? kernelsOf(graph) : new Set();
  const numbered = (digit: (i: number) => number) =>
    layersOf(network, config, () => (dims) => floats(dims, countUp(dims, digit)), context);
  const low = numbered((i) => i % base);
  const high = numbered((i) => Math.floor(i / base));
  const faults: string[] = [];
  const tensors = new Map<string, Tensor>();
  for (const [name, dims] of low.expected) {
    const found = graph.initializers.get(name);
    const value = found && kernels.has(name) ? reverseKernel(found) : found;
    const places = [low, high].map((net) => net.graph.initializers.get(name)?.data);
    const data = value && unpermuted(toFloats(value), places[0], places[1]);
    if (data) tensors.set(name, floats(dims, data));
    else faults.push(name);
  }
  if (faults.length > 0) {
    const shown = faults.length > 5 ? [...faults.slice(0, 5), `${faults.length - 5} more`] : faults;
    throw new ModelError(
      `The weights of ${graph.name} cannot be written as a state dict of ${low.graph.name}: ` +
        `${listNames(shown)} ${faults.length === 1 ? 'is' : 'are'} not in the model value for value. Models that ` +
        'were optimized, or exported by other programs, have their weights merged.',
    );
  }
  for (const [name, value] of low.stored) {
    const known = typeof value === 'string' ? tensors.get(value) : value;
    if (known) tensors.set(name, known);
  }
  const note =
    `Tensors of ${low.graph.name} that PyTorch stores and inference does not use may be missing: load it with ` +
    'strict=False.';
  return { tensors, notes: low.storesMore ? [note] : [] };
}

/** The constants that are kernels of convolutions. Nothing else that is trained lies along spatial axes. */
function kernelsOf({ nodes }: Graph): ReadonlySet<string> {
  return new Set(nodes.filter((node) => isOp(node, 'Conv', 'ConvTranspose')).map(({ inputs }) => inputs[1]));
}

function countUp(dims: readonly number[], digit: (i: number) => number): Float32Array {
  return Float32Array.from({ length: sizeOf(dims) }, (_, i) => digit(i));
}

/**
 * Values in their first order, where `low` and `high` say which place each had. Undefined unless each place
 * occurs once.
 */
function unpermuted(
  values: Float32Array,
  low: Tensor['data'] | undefined,
  high: Tensor['data'] | undefined,
): Float32Array | undefined {
  if (!low || !high || low.length !== values.length) return undefined;
  const out = new Float32Array(values.length);
  const seen = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const place = Number(low[i]) + base * Number(high[i]);
    if (seen[place] !== 0) return undefined;
    seen[place] = 1;
    out[place] = values[i];
  }
  return out;
}

/** The constants of a graph that look like weights, for a model whose network is not known. */
export function constantsOf({ initializers, name }: Graph): NamedWeights['tensors'] {
  const tensors = new Map(
    [...initializers].filter(([, { type, dims }]) => /float/.test(type) && dims.length > 0),
  );
  if (tensors.size === 0) throw new ModelError(`The model ${show(name)} has no weights to write.`);
  return tensors;
}
