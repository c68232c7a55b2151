import type { PlanePads } from '../../gradients/blockedWeightGradient.js';
import type { Graph } from '../../graph.js';
import { Ops } from '../../ops.js';
import type { Shapes } from '../../shapes.js';
import { nchwc, type Slices, SliceWriter } from '../../slices/values.js';
import { numbersOf, sizeOf } from '../../tensor.js';

const activations = {
  Relu: { activation: 'Relu' },
  // A slope so large that only numbers below 1e-30 lie between 0 and 1.
  step: { activation: 'HardSigmoid', activation_params: { floats: [1e30, 0] } },
};

/** Attributes of a depthwise convolution of single voxels. */
const depthwise = (channels: number, pads: readonly number[]) => ({
  group: channels,
  kernel_shape: [1, 1],
  strides: [1, 1],
  dilations: [1, 1],
  pads,
});

/** Factors and summands, and what a depthwise convolution does besides. */
export interface Affine {
  /** One number per channel, or one per channel of each case; see `channelNumbers`. */
  readonly scale?: string;
  readonly bias?: string;
  /** A value in blocks to add. */
  readonly sum?: string;
  /** `step` is 1 for positive numbers, else 0. */
  readonly activation?: 'Relu' | 'step';
}

/** A value in blocks, factors and summands: [channels] each. */
export interface Scaled extends Pick<Affine, 'scale' | 'bias'> {
  readonly name: string;
}

/**
 * The values of a training step that are in blocks of channels. A value [N, C, depth, height, width] is then
 * a batch of slices [N * depth, C, height, width] in ONNX Runtime's order; see `Slices`. C must be a multiple
 * of the block, so that no channels have to be filled up. A value is converted when it is needed in the other
 * form.
 */
export class BlockedValues {
  readonly ops: Ops;
  readonly writer: SliceWriter;
  readonly #names = new Map<string, string>();
  readonly #scaled = new Map<string, Scaled>();
  readonly #bools = new Set<string>();
  readonly #whole: Set<string>;

  constructor(
    readonly graph: Graph,
    readonly shapes: Shapes,
    readonly block: number,
  ) {
    this.ops = new Ops(graph);
    this.writer = new SliceWriter(graph, block, 1);
    this.#whole = new Set([...graph.initializers.keys(), ...graph.inputs.map(({ name }) => name)]);
  }

  /** The size of a value that can be in blocks; undefined for others. */
  dims(value: string): readonly number[] | undefined {
    const dims = this.shapes.get(value);
    return dims?.length === 5 && dims[1] % this.block === 0 ? dims : undefined;
  }

  /** Whether a value is in blocks already. */
  has(value: string): boolean {
    return this.#names.has(value) || this.#scaled.has(value);
  }

  /** The name of a value's form in blocks. The value's `dims` must be known. */
  blocked(value: string): string {
    const known = this.#names.get(value);
    if (known) return known;
    const scaled = this.#scaled.get(value);
    const dims = this.shapes.get(value) as readonly number[];
    const name = scaled
      ? this.affine(scaled.name, dims, scaled)
      : this.node('ReorderInput', [this.planar(value)]);
    this.#names.set(value, name);
    return name;
  }

  /** A value as slices whose planes are whole: [N * depth, channels, height, width]. */
  planar(value: string): string {
    const [batch, channels, depth, height, width] = this.shapes.get(value) as readonly number[];
    if (this.has(value)) return this.node('ReorderOutput', [this.blocked(value)], { channels });
    const apart = channels === 1 ? value : this.ops.transpose(value, [0, 2, 1, 3, 4]);
    return this.ops.reshape(apart, [batch * depth, channels, height, width]);
  }

  /**
   * A value in blocks as slices whose planes are whole, with rows and columns of zeros around them (or less,
   * where a number is negative). A depthwise convolution pads on all threads, ONNX's Pad on one.
   */
  paddedPlanes(value: string, pads: PlanePads): string {
    const [, channels] = this.shapes.get(value) as readonly number[];
    if (pads.every((pad) => pad === 0)) return this.planar(value);
    if (pads.some((pad) => pad < 0)) {
      const [top, left, bottom, right] = pads;
      return this.ops.pad(this.planar(value), [0, 0, top, left, 0, 0, bottom, right]);
    }
    const padded = this.conv([this.blocked(value), this.#ones(channels)], depthwise(channels, pads));
    return this.node('ReorderOutput', [padded], { channels });
  }

  /** A depthwise filter of ones. */
  #ones(channels: number): string {
    return this.ops.reshape(this.ops.expand(this.ops.scalar(1), [channels]), [channels, 1, 1, 1]);
  }

  /** A value as slices for `SliceWriter`: in blocks if its channels fill them. */
  slices(value: string): Slices | undefined {
    const dims = this.shapes.get(value);
    if (dims?.length !== 5) return undefined;
    const [, channels, depth, height, width] = dims;
    const size = [depth, height, width] as const;
    if (channels < this.block) return { name: this.planar(value), layout: 'planar', channels, size };
    if (channels % this.block !== 0) return undefined;
    return { name: this.blocked(value), layout: 'blocked', channels, size };
  }

  /** Notes the form in blocks of one of the graph's values. */
  note(value: string, name: string, type: 'float32' | 'bool' = 'float32'): void {
    this.#names.set(value, name);
    if (type === 'bool') this.#bools.add(value);
  }

  /**
   * Notes a value that is another one in blocks times factors plus summands. It is only computed if it is
   * needed itself: what reads it by `scaled` computes it along the way.
   */
  noteScaled(value: string, scaled: Scaled): void {
    this.#scaled.set(value, scaled);
  }

  /** What a value is computed from by factors and summands of its channels. */
  source(value: string): Scaled {
    return this.#scaled.get(value) ?? { name: this.blocked(value) };
  }

  /** `affine` of a value, whose `dims` must be known. */
  scaled(value: string, { scale, bias, ...others }: Affine): string {
    const { ops } = this;
    const source = this.source(value);
    const times = (numbers: string | undefined) => (numbers && scale ? ops.mul(numbers, scale) : numbers);
    const summand = times(source.bias);
    return this.affine(source.name, this.shapes.get(value) as readonly number[], {
      ...others,
      scale: times(source.scale) ?? scale,
      bias: summand && bias ? ops.add(summand, bias) : (summand ?? bias),
    });
  }

  /** Whether a value is a constant of zeros. */
  isZero(value: string | undefined): boolean {
    const constant = this.graph.initializers.get(value ?? '');
    return constant?.type === 'float32' && numbersOf(constant).every((n) => n === 0);
  }

  /** Notes that a value exists as in the graph before. */
  noteWhole(value: string): void {
    this.#whole.add(value);
  }

  /** Makes a value that is in blocks available as it was in the graph before. */
  makeWhole(value: string): void {
    if (!this.has(value) || this.#whole.has(value)) return;
    const { ops } = this;
    const name = this.blocked(value);
    const [batch, channels, depth, height, width] = this.shapes.get(value) as readonly number[];
    const isBool = this.#bools.has(value);
    const planar = this.node('ReorderOutput', [isBool ? ops.cast(name, 'float32') : name], { channels });
    const apart = ops.reshape(planar, [batch, depth, channels, height, width]);
    const perm = [0, 2, 1, 3, 4];
    if (isBool) ops.graph.addNode('Cast', [ops.transpose(apart, perm)], { to: 9 }, { outputs: [value] });
    else ops.node('Transpose', [apart], { perm }, value);
    this.#whole.add(value);
  }

  /** A node of ONNX Runtime's own on blocks. */
  node(op: string, inputs: readonly string[], attributes: Parameters<Graph['addNode']>[2] = {}): string {
    return this.graph.addNode(op, inputs, attributes, { domain: nchwc });
  }

  /** A convolution within slices. Empty names at the end of the inputs are left out. */
  conv(inputs: readonly string[], attributes: Parameters<Graph['addNode']>[2]): string {
    const given = inputs.slice(0, inputs.findLastIndex((name) => name !== '') + 1);
    return this.node('Conv', given, attributes);
  }

  /**
   * Numbers for the channels of a value of size `dims`: [C] from one number or one per channel, [N * depth *
   * C] from one per channel of each case. Undefined for numbers of another size.
   */
  channelNumbers(value: string, [batch, channels, depth]: readonly number[]): string | undefined {
    const { ops } = this;
    const dims = this.shapes.get(value);
    if (!dims) return undefined;
    const size = sizeOf(dims);
    if (size === 1) return ops.expand(ops.reshape(value, [1]), [channels]);
    if (dims.length < 4 || size !== sizeOf(dims.slice(0, -3))) return undefined;
    const [cases, own] = dims.length === 4 ? [1, dims[0]] : dims;
    if (own !== channels) return undefined;
    if (cases === 1) return ops.reshape(value, [channels]);
    return cases === batch
      ? this.perSlice(ops.reshape(value, [batch, channels]), [batch, channels, depth])
      : undefined;
  }

  /** Numbers [N, C] for each slice: [N * depth * C]. */
  perSlice(value: string, [batch, channels, depth]: readonly number[]): string {
    const { ops } = this;
    const repeated = ops.expand(ops.reshape(value, [batch, 1, channels]), [batch, depth, channels]);
    return ops.reshape(repeated, [batch * depth * channels]);
  }

  /**
   * The channels of a value in blocks, of size `dims`, times factors plus summands, as a depthwise
   * convolution.
   *
   * @param perSlice Whether the numbers are [N * depth * C] instead of [C].
   */
  affine(
    name: string,
    dims: readonly number[],
    { scale, bias, sum, activation }: Affine,
    perSlice = false,
  ): string {
    const [batch, channels, depth, height, width] = dims;
    const { ops } = this;
    const count = perSlice ? batch * depth * channels : channels;
    const shaped = (value: string) => (perSlice ? ops.reshape(value, [1, count, height, width]) : value);
    const filter = scale ? ops.reshape(scale, [count, 1, 1, 1]) : this.#ones(count);
    const result = this.conv([shaped(name), filter, bias ?? '', sum ? shaped(sum) : ''], {
      ...depthwise(count, [0, 0, 0, 0]),
      ...(activation && activations[activation]),
    });
    return perSlice ? ops.reshape(result, [batch * depth, channels, height, width]) : result;
  }
}
