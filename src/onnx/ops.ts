import type { Attribute, Graph } from './graph.js';
import { type ElementType, floats, int64s, type Tensor, typeNumber } from './tensor.js';

/**
 * Writes float32 arithmetic as nodes of a graph: each method adds what it needs and returns the name of the
 * value. The graph must be of opset 13 or newer. Operands follow ONNX's rules of broadcasting.
 */
export class Ops {
  readonly #constants = new Map<string, string>();

  constructor(readonly graph: Graph) {}

  /** A node with one output. */
  node(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    output?: string,
  ): string {
    return this.graph.addNode(op, inputs, attributes, output === undefined ? {} : { outputs: [output] });
  }

  /** A float32 scalar; equal ones are one constant. */
  scalar(value: number): string {
    return this.constant(`f ${value}`, () => floats([], [value]), 'scalar');
  }

  /** A one-dimensional int64 constant: axes, sizes, pads. */
  ints(values: readonly number[]): string {
    return this.constant(`i ${values}`, () => int64s(values), 'ints');
  }

  /** A float32 constant of these rows. */
  matrix(rows: readonly (readonly number[])[]): string {
    return this.constant(`m ${rows.join(';')}`, () => floats([rows.length, rows[0].length], rows.flat()));
  }

  /** A constant, made once for each key. */
  constant(key: string, make: () => Tensor, hint = 'constant'): string {
    const name = this.#constants.get(key) ?? this.graph.addConstant(hint, make());
    this.#constants.set(key, name);
    return name;
  }

  /** `a + b`. */
  add = (a: string, b: string) => this.node('Add', [a, b]);
  /** `a - b`. */
  sub = (a: string, b: string) => this.node('Sub', [a, b]);
  /** `a * b`. */
  mul = (a: string, b: string) => this.node('Mul', [a, b]);
  /** `a / b`. */
  div = (a: string, b: string) => this.node('Div', [a, b]);
  /** `-x`. */
  neg = (x: string) => this.node('Neg', [x]);
  /** The square root. */
  sqrt = (x: string) => this.node('Sqrt', [x]);
  /** `x * x`. */
  square = (x: string) => this.node('Mul', [x, x]);
  /** `x` times a number. */
  scale = (x: string, factor: number) => (factor === 1 ? x : this.mul(x, this.scalar(factor)));
  /** `x` plus a number. */
  shift = (x: string, summand: number) => (summand === 0 ? x : this.add(x, this.scalar(summand)));

  /** The sum over axes, which stay with size 1 unless `keep` is false. */
  sum(x: string, axes: readonly number[], keep = true): string {
    return this.node('ReduceSum', [x, this.ints(axes)], { keepdims: keep ? 1 : 0 });
  }

  /** The mean over axes, which stay with size 1 unless `keep` is false. */
  mean(x: string, axes: readonly number[], keep = true): string {
    return this.reduce('ReduceMean', x, axes, keep);
  }

  /** A reduction other than ReduceSum over axes, which stay with size 1 unless `keep` is false. */
  reduce(op: string, x: string, axes: readonly number[], keep = true): string {
    const keepdims = keep ? 1 : 0;
    // From opset 18 on the axes are an input, as those of ReduceSum are from 13 on.
    return this.graph.opset < 18
      ? this.node(op, [x], { axes, keepdims })
      : this.node(op, [x, this.ints(axes)], { keepdims });
  }

  /** The same values with other sizes; one of them may be -1, for what is left. */
  reshape(x: string, dims: readonly number[]): string {
    return this.node('Reshape', [x, this.ints(dims)]);
  }

  /** Axis `i` of the result is axis `perm[i]` of `x`. */
  transpose(x: string, perm: readonly number[]): string {
    return perm.every((axis, i) => axis === i) ? x : this.node('Transpose', [x], { perm });
  }

  /** From `starts` up to but not including `ends` along `axes`, every `steps`-th. */
  slice(
    x: string,
    axes: readonly number[],
    starts: readonly number[],
    ends: readonly number[],
    steps: readonly number[] = axes.map(() => 1),
  ): string {
    return this.node('Slice', [x, this.ints(starts), this.ints(ends), this.ints(axes), this.ints(steps)]);
  }

  /** Zeros around `x`: `pads` has all begins, then all ends, one per axis. */
  pad(x: string, pads: readonly number[]): string {
    return pads.every((n) => n === 0) ? x : this.node('Pad', [x, this.ints(pads)]);
  }

  /** `x` in another element type. */
  cast(x: string, type: ElementType): string {
    return this.node('Cast', [x], { to: typeNumber(type) });
  }

  /** Values one after the other along an axis. */
  concat(parts: readonly string[], axis: number): string {
    return parts.length === 1 ? parts[0] : this.node('Concat', parts, { axis });
  }

  /** The sum of one value or more. */
  total(parts: readonly string[]): string {
    if (parts.length === 1) return parts[0];
    return this.node(parts.length === 2 ? 'Add' : 'Sum', parts);
  }

  /** `x` where it has these sizes already, else `x` repeated along axes of size 1. */
  expand(x: string, dims: readonly number[]): string {
    return this.node('Expand', [x, this.ints(dims)]);
  }

  /** `yes` where `condition` holds, else `no`. */
  where(condition: string, yes: string, no: string): string {
    return this.node('Where', [condition, yes, no]);
  }

  /** 1 where `a` is larger than `b`, as a condition. */
  greater(a: string, b: string): string {
    return this.node('Greater', [a, b]);
  }
}

/** The whole numbers from 0 up to but not including `count`. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
