import type { PlanePads } from '../../gradients/blockedWeightGradient.js';
import type { Graph } from '../../graph.js';
import { Ops } from '../../ops.js';
import type { Shapes } from '../../shapes.js';
import { usualCosts } from '../../slices/costs.js';
import { nchwc, type Slices, SliceWriter } from '../../slices/values.js';
import { numbersOf, sizeOf } from '../../tensor.js';

/** The most output slices of Winograd's tiles. Rounding errors grow with them. */
const largestTile = 4;

/** Tiles of a whole layer leave the processor's caches, so that combining them takes longer. */
const tileCosts = { ...usualCosts, cut: 130, combine: 90 };

/** What combining the filters costs in each step, in products per byte. */
const filterPrice = 12;

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
 * The values of a training step that are in blocks. A value [N, C, depth, height, width] with a multiple of
 * the block as its channels is a batch of slices [N * depth, C, height, width] in ONNX Runtime's order; see
 * `Slices`. It is converted when it is needed in the other form.
 *
 * Other values are in blocks of voxels, if the planes can be divided into them: b neighbouring voxels of one
 * channel take the place of b channels, [N, C * b, depth, height * width / b]. This is the order that they
 * have anyway, so nothing is moved. Only operators on single voxels and reductions know this form.
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
    this.writer = new SliceWriter(graph, block, largestTile, false, tileCosts, filterPrice);
    this.#whole = new Set([...graph.initializers.keys(), ...graph.inputs.map(({ name }) => name)]);
  }

  /** The size of a value that can be in blocks; undefined for others. */
  dims(value: string): readonly number[] | undefined {
    const dims = this.shapes.get(value);
    return dims?.length === 5 && dims[1] % this.block === 0 ? dims : undefined;
  }

  /** Whether a value can be in blocks of voxels. */
  inVoxels(value: string): boolean {
    const dims = this.shapes.get(value);
    return dims?.length === 5 && dims[1] % this.block !== 0 && (dims[3] * dims[4]) % this.block === 0;
  }

  /**
   * The size of a value in blocks, of channels or voxels, written as [images, channels, slices, height,
   * width] of a value in blocks of channels; undefined if it can be in neither.
   */
  form(value: string): readonly number[] | undefined {
    if (!this.inVoxels(value)) return this.dims(value);
    const [batch, channels, depth, height, width] = this.shapes.get(value) as readonly number[];
    return [batch, channels * this.block, 1, depth, (height * width) / this.block];
  }

  /** Whether two values have the same size. */
  alike(a: string, b: string): boolean {
    return this.shapes.get(a)?.join() === this.shapes.get(b)?.join();
  }

  /** Whether a value is in blocks already. */
  has(value: string): boolean {
    return this.#names.has(value) || this.#scaled.has(value);
  }

  /** Whether a value's form in blocks costs nothing. */
  ready(value: string): boolean {
    return this.has(value) || this.inVoxels(value);
  }

  /** The name of a value's form in blocks. The value's `form` must be known. */
  blocked(value: string): string {
    const known = this.#names.get(value);
    if (known) return known;
    const scaled = this.#scaled.get(value);
    const name = scaled ? this.affine(scaled.name, value, scaled) : this.#converted(value);
    this.#names.set(value, name);
    return name;
  }

  #converted(value: string): string {
    if (!this.inVoxels(value)) return this.node('ReorderInput', [this.planar(value)]);
    const [images, channels, , height, width] = this.form(value) as readonly number[];
    return this.ops.reshape(value, [images, channels, height, width]);
  }

  /** A value as slices whose planes are whole: [N * depth, channels, height, width]. */
  planar(value: string): string {
    const [batch, channels, depth, height, width] = this.shapes.get(value) as readonly number[];
    if (this.inVoxels(value)) this.makeWhole(value);
    else if (this.has(value)) return this.node('ReorderOutput', [this.blocked(value)], { channels });
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

  /** `affine` of a value, whose `form` must be known. */
  scaled(value: string, { scale, bias, ...others }: Affine): string {
    const { ops } = this;
    const source = this.source(value);
    const times = (numbers: string | undefined) => (numbers && scale ? ops.mul(numbers, scale) : numbers);
    const summand = times(source.bias);
    return this.affine(source.name, value, {
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
    const dims = this.shapes.get(value) as readonly number[];
    this.#whole.add(value);
    if (this.inVoxels(value)) {
      ops.node('Reshape', [name, ops.ints(dims)], {}, value);
      return;
    }
    const [batch, channels, depth, height, width] = dims;
    const isBool = this.#bools.has(value);
    const planar = this.node('ReorderOutput', [isBool ? ops.cast(name, 'float32') : name], { channels });
    const apart = ops.reshape(planar, [batch, depth, channels, height, width]);
    const perm = [0, 2, 1, 3, 4];
    if (isBool) ops.graph.addNode('Cast', [ops.transpose(apart, perm)], { to: 9 }, { outputs: [value] });
    else ops.node('Transpose', [apart], { perm }, value);
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
   * Numbers for the channels of a value: [C] from one number or one per channel, [N, C] from one per channel
   * of each case. Undefined for numbers of another size.
   */
  channelNumbers(numbers: string, value: string): string | undefined {
    const { ops } = this;
    const dims = this.shapes.get(numbers);
    const [batch, channels] = this.shapes.get(value) ?? [];
    if (!dims) return undefined;
    const size = sizeOf(dims);
    if (size === 1) return ops.expand(ops.reshape(numbers, [1]), [channels]);
    if (dims.length < 4 || size !== sizeOf(dims.slice(0, -3))) return undefined;
    const [cases, own] = dims.length === 4 ? [1, dims[0]] : dims;
    if (own !== channels || (cases !== 1 && cases !== batch)) return undefined;
    return ops.reshape(numbers, cases === 1 ? [channels] : [batch, channels]);
  }

  /** The same number for each channel of a value: [C]. */
  uniform(number: number, value: string): string {
    return this.ops.expand(this.ops.scalar(number), [(this.shapes.get(value) as readonly number[])[1]]);
  }

  /**
   * The channels of a value in blocks, called `name` and of the size of `value`, times factors plus summands,
   * as a depthwise convolution.
   *
   * @param perCase Whether the numbers are [N, C] instead of [C].
   */
  affine(name: string, value: string, { scale, bias, sum, activation }: Affine, perCase = false): string {
    const [batch, channels, depth, height, width] = this.form(value) as readonly number[];
    const { ops } = this;
    const count = perCase ? batch * depth * channels : channels;
    const shaped = (blocks: string) => (perCase ? ops.reshape(blocks, [1, count, height, width]) : blocks);
    const spread = (numbers: string) => this.#spread(numbers, value, perCase);
    const filter = scale ? ops.reshape(spread(scale), [count, 1, 1, 1]) : this.#ones(count);
    const result = this.conv([shaped(name), filter, bias ? spread(bias) : '', sum ? shaped(sum) : ''], {
      ...depthwise(count, [0, 0, 0, 0]),
      ...(activation && activations[activation]),
    });
    return perCase ? ops.reshape(result, [batch * depth, channels, height, width]) : result;
  }

  /** Numbers [C] or [N, C] for the channels of a value's form: repeated for each lane or slice. */
  #spread(numbers: string, value: string, perCase: boolean): string {
    const { ops, block } = this;
    const [batch, channels, depth] = this.shapes.get(value) as readonly number[];
    const repeated = (lead: readonly number[], count: number, rest: readonly number[]) => {
      const apart = ops.expand(ops.reshape(numbers, [...lead, 1, ...rest]), [...lead, count, ...rest]);
      return ops.reshape(apart, [-1]);
    };
    if (this.inVoxels(value)) return repeated([perCase ? batch * channels : channels], block, []);
    return perCase ? repeated([batch], depth, [channels]) : numbers;
  }
}
