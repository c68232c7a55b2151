import { ModelError } from '../errors.js';
import type { ElementType, Tensor } from './tensor.js';

/**
 * The value of a node's attribute. A plain number is an integer, a plain list one of integers, for most
 * attributes are; what is not an integer says so: `{ float: 0.01 }`. `proto` keeps what is not interpreted
 * (subgraphs, types) as it was.
 */
export type Attribute =
  | number
  | readonly number[]
  | string
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly strings: readonly string[] }
  | { readonly tensor: Tensor }
  | { readonly proto: object };

/** One operation. An empty input or output name stands for one that is left out. */
export interface GraphNode {
  readonly name: string;
  /** ONNX's name of the operator: `Conv`. */
  readonly op: string;
  /** Empty for ONNX's own operators. */
  readonly domain: string;
  inputs: string[];
  outputs: string[];
  attributes: Readonly<Record<string, Attribute>>;
  /** Values from outside that the node's subgraphs (`If`, `Loop`, `Scan`) use. */
  readonly captures: readonly string[];
}

/** An input or output: a size that is a string may vary, and equal strings stand for equal sizes. */
export interface GraphValue {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly (number | string)[];
}

/** What a graph is made with. */
export interface GraphHead {
  readonly name?: string;
  /** Version of ONNX's operators. Default: 17. */
  readonly opset?: number;
  /** Versions of other operator domains, by name. */
  readonly domains?: Readonly<Record<string, number>>;
  /** Metadata properties of the file. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Further options of `addNode`. */
export interface NodeOptions {
  /** Default: a free name made of its first output. */
  readonly name?: string;
  readonly domain?: string;
  /** Names of the outputs. Default: one, a free name made of `name` or the operator. */
  readonly outputs?: readonly string[];
}

/**
 * An ONNX graph that can be changed: nodes in an order in which every value is made before it is used,
 * constants (`initializers`) by name, inputs and outputs. Names of values are unique.
 *
 * ```ts
 * const graph = new Graph({ name: 'net' }); const image = graph.addInput('image', 'float32', ['n', 1, 'x',
 * 'y', 'z']); const weight = graph.addInitializer('conv.weight', floats([16, 1, 3, 3, 3], values)); const
 * features = graph.addNode('Conv', [image, weight], { pads: [1, 1, 1, 1, 1, 1] });
 * graph.addOutput(graph.addNode('LeakyRelu', [features], { alpha: { float: 0.1 } }), 'float32', ['n', 16,
 * 'x', 'y', 'z']); writeFileSync('net.onnx', writeModel(graph));
 * ```
 */
export class Graph {
  name: string;
  /** Version of ONNX's operators. */
  opset: number;
  domains: Record<string, number>;
  metadata: Record<string, string>;
  inputs: GraphValue[] = [];
  outputs: GraphValue[] = [];
  nodes: GraphNode[] = [];
  initializers = new Map<string, Tensor>();
  /** Sizes of values between the inputs and the outputs, beside those that ONNX Runtime infers. */
  declared: GraphValue[] = [];
  /** Functions that the file defines for itself, kept as they were. */
  functions: readonly object[] = [];

  constructor(head: GraphHead = {}) {
    this.name = head.name ?? 'graph';
    this.opset = head.opset ?? 17;
    this.domains = { ...head.domains };
    this.metadata = { ...head.metadata };
  }

  /** A copy of the graph that shares the constants' data, which is never changed. */
  clone(): Graph {
    const copy = new Graph(this);
    copy.inputs = [...this.inputs];
    copy.outputs = [...this.outputs];
    copy.nodes = this.nodes.map((node) => ({
      ...node,
      inputs: [...node.inputs],
      outputs: [...node.outputs],
    }));
    copy.initializers = new Map(this.initializers);
    copy.declared = [...this.declared];
    copy.functions = this.functions;
    for (const name of this.#names) copy.#names.add(name);
    for (const name of this.#nodeNames) copy.#nodeNames.add(name);
    return copy;
  }

  /** Declares an input; returns its name. Throws ModelError when the name is taken. */
  addInput(name: string, type: ElementType, dims: GraphValue['dims']): string {
    this.#claim(name);
    this.inputs.push({ name, type, dims });
    return name;
  }

  /** Declares a value as an output. */
  addOutput(name: string, type: ElementType, dims: GraphValue['dims']): void {
    this.outputs.push({ name, type, dims });
  }

  /** Adds a constant under exactly this name; returns it. Throws ModelError when the name is taken. */
  addInitializer(name: string, value: Tensor): string {
    this.#claim(name);
    this.initializers.set(name, value);
    return name;
  }

  /** Adds a constant under a free name made of `hint`; returns the name. */
  addConstant(hint: string, value: Tensor): string {
    return this.addInitializer(this.freeName(hint), value);
  }

  /** Appends a node; returns the name of its first output. */
  addNode(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    options: NodeOptions = {},
  ): string {
    const outputs = [...(options.outputs ?? [options.name ?? this.freeName(op)])];
    const name = options.name ?? free(outputs[0], this.#nodeNames);
    this.nodes.push({
      name,
      op,
      domain: options.domain ?? '',
      inputs: [...inputs],
      outputs,
      attributes,
      captures: [],
    });
    this.#nodeNames.add(name);
    for (const output of outputs) this.#names.add(output);
    return outputs[0];
  }

  /** A name that no value ever had in this graph: `hint`, or `hint` and a number. */
  freeName(hint: string): string {
    return free(hint, this.#names);
  }

  readonly #names = new Set<string>();
  readonly #nodeNames = new Set<string>();

  #claim(name: string): void {
    if (this.initializers.has(name) || this.inputs.some((input) => input.name === name)) {
      throw new ModelError(`The graph ${this.name} has a value "${name}" already.`);
    }
    this.#names.add(name);
  }
}

function free(hint: string, taken: ReadonlySet<string>): string {
  let name = hint;
  for (let number = 1; taken.has(name); number++) name = `${hint}_${number}`;
  return name;
}
