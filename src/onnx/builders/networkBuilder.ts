import { ModelError, show } from '../../errors.js';
import { Graph } from '../graph.js';
import { Ops } from '../ops.js';
import { floats, int64s, sizeOf, type Tensor, toFloats } from '../tensor.js';
import type { Axes } from './config.js';
import type { FreshWeights, WeightStart } from './freshWeights.js';

/** Where weights come from: a state dict, or what makes new ones. */
export type WeightSource = ReadonlyMap<string, Tensor> | FreshWeights;

/** The most weights of a network: an ONNX file has at most 2 GiB. */
const mostValues = 2 ** 29;

/** What a network is built with besides its weights and options. */
export interface BuildContext {
  /** Voxels of the window along x, y and z, for networks that are built for one size. */
  readonly size?: Axes;
}

/**
 * A network in the making: an ONNX graph (opset 17), and the weights that layers ask for by the names of
 * PyTorch's state dicts. Weights that are missing or have another shape are noted, and `finish` reports them
 * all.
 */
export class NetworkBuilder {
  readonly graph: Graph;
  readonly ops: Ops;
  /** Names and shapes of all parameters that were asked for. */
  readonly expected = new Map<string, readonly number[]>();
  /** Sentences about what was decided while the network was built, for the user. */
  readonly notes: string[] = [];
  readonly #state: ReadonlyMap<string, Tensor>;
  readonly #fresh: FreshWeights | undefined;
  /** Tensors that PyTorch stores besides the parameters: the parameter with the same value, or the value. */
  readonly stored = new Map<string, string | Tensor>();
  /** Whether PyTorch may store tensors that are neither parameters nor in `stored`. */
  storesMore = false;
  readonly #unneeded: ((name: string) => boolean)[] = [];
  readonly #faults: string[] = [];
  #values = 0;

  constructor(name: string, weights: WeightSource) {
    this.graph = new Graph({ name });
    this.ops = new Ops(this.graph);
    this.#fresh = typeof weights === 'function' ? weights : undefined;
    this.#state = typeof weights === 'function' ? new Map() : weights;
  }

  /** Whether the weights are new ones, and not those of a training. */
  get isFresh(): boolean {
    return this.#fresh !== undefined;
  }

  /** Whether a tensor of this name may be in a state dict and is not used. */
  isUnneeded(name: string): boolean {
    return this.#unneeded.some((matches) => matches(name));
  }

  /** Throws ModelError naming every tensor that is missing, misshapen or not used, and every other fault. */
  finish(): void {
    const unexpected = [...this.#state.keys()].filter(
      (name) => !this.expected.has(name) && !this.isUnneeded(name),
    );
    const faults = [...this.#faults, ...unexpected.map((name) => `${name} is not expected`)];
    if (faults.length === 0) return;
    const shown = faults.length > mostFaults ? [...faults.slice(0, mostFaults), '…'] : faults;
    throw new ModelError(
      `The weights do not fit the network ${this.graph.name} as it is configured (${faults.length} ` +
        `${faults.length === 1 ? 'fault' : 'faults'}):\n  ${shown.join('\n  ')}\n` +
        'Correct the configuration: it must be the one that the network was trained with.',
    );
  }

  /** Notes a fault that `finish` reports: a clause without a full stop. */
  fault(message: string): void {
    this.#faults.push(message);
  }

  /**
   * Tensors that a state dict may hold, in any shape, and that inference does not use.
   *
   * @param stored Those that PyTorch writes, for `stateDictOf`: each with a parameter of the same value, or
   * a value.
   * Default: not known.
   */
  ignore(matches: (name: string) => boolean, stored?: Iterable<readonly [string, string | Tensor]>): void {
    this.#unneeded.push(matches);
    if (!stored) this.storesMore = true;
    for (const [name, value] of stored ?? []) this.stored.set(name, value);
  }

  /** A parameter that must be there in this shape, though inference does not use it. */
  expect(name: string, dims: readonly number[], start: WeightStart = 0): Tensor | undefined {
    if (this.expected.has(name)) return this.#state.get(name);
    this.expected.set(name, dims);
    this.#values += sizeOf(dims);
    if (this.#values > mostValues) {
      throw new ModelError(
        `The network ${this.graph.name} would have more than ${mostValues} weights (${name} is ${show(dims)}), which no ` +
          'ONNX file holds. Give it fewer channels.',
      );
    }
    if (this.#fresh) return this.#fresh(dims, start);
    const found = this.#state.get(name);
    if (!found) this.fault(`${name} is missing; it must be ${show(dims)}`);
    else if (!sameDims(found.dims, dims)) {
      this.fault(`${name} is ${show(found.dims)}, but must be ${show(dims)}`);
    } else if (!/float/.test(found.type)) {
      this.fault(`${name} is of type ${found.type}, but must be of a float type`);
    } else return found;
    return undefined;
  }

  /**
   * The values of a parameter, for what is computed from it while the network is built. Zeros where it is
   * missing.
   */
  values(name: string, dims: readonly number[], start: WeightStart): Float32Array {
    const found = this.expect(name, dims, start);
    return found ? toFloats(found) : new Float32Array(dims.reduce((product, n) => product * n, 1));
  }

  /**
   * A parameter as a float32 constant of the graph.
   *
   * @param start How it begins where weights are new.
   * @param shape What the graph sees: as many values. Default: `dims`.
   */
  parameter(name: string, dims: readonly number[], start: WeightStart, shape = dims): string {
    if (this.graph.initializers.has(name)) return name;
    const found = this.expect(name, dims, start);
    // `finish` reports a missing one, and the graph is not used.
    const data = found ? toFloats(found) : new Float32Array();
    return this.graph.addInitializer(name, { type: 'float32', dims: shape, data });
  }

  /** A float32 constant that is computed from a parameter. It has the parameter's name. */
  derived(
    name: string,
    dims: readonly number[],
    start: WeightStart,
    shape: readonly number[],
    compute: (values: Float32Array) => Float32Array,
  ): string {
    if (this.graph.initializers.has(name)) return name;
    const found = this.expect(name, dims, start);
    const data = found ? compute(toFloats(found)) : new Float32Array();
    return this.graph.addInitializer(name, { type: 'float32', dims: shape, data });
  }

  /** A node named after a module, or a free name made of that. Returns its output. */
  node(name: string, ...[op, inputs, attributes]: Parameters<Graph['addNode']>): string {
    return this.graph.addNode(op, inputs, attributes, { name: this.graph.freeName(name) });
  }

  /** A one-dimensional int64 constant: a shape, axes, pads. */
  ints(values: readonly number[]): string {
    return this.constant(`shape_${values.join('_')}`, int64s(values));
  }

  /** A float32 scalar. */
  scalar(value: number): string {
    return this.constant(`scalar_${value}`, floats([], [value]));
  }

  /** A constant that the whole graph shares under a name that says its value. */
  constant(name: string, value: Tensor): string {
    return this.graph.initializers.has(name) ? name : this.graph.addInitializer(name, value);
  }
}

/** Faults that a message lists. */
const mostFaults = 10;

function sameDims(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, axis) => n === b[axis]);
}
