import { ModelError, show } from '../../errors.js';
import { Graph } from '../graph.js';
import { floats, int64s, numbersOf, sizeOf, type Tensor } from '../tensor.js';
import type { Act, Axes, Norm } from './config.js';
import type { FreshWeights, WeightStart } from './freshWeights.js';

/** A convolution: [N, inputs, ...] to [N, outputs, ...]. */
export interface ConvOptions {
  readonly inputs: number;
  readonly outputs: number;
  readonly kernel: Axes;
  /** Default: 1 along every axis. */
  readonly stride?: Axes;
  /**
   * Voxels of zeros before and after each axis. Default: half the kernel, which keeps a size where the stride
   * is 1.
   */
  readonly padding?: Axes;
  readonly bias: boolean;
  /** In fresh weights, this many outputs after one another have the same kernel. Default: 1. */
  readonly copies?: number;
}

/**
 * What follows a convolution: normalization (N), dropout (D) and activation (A), in the order of the letters.
 */
export interface Adn {
  readonly norm: Norm | null;
  readonly act: Act | null;
  readonly ordering: string;
}

/** How `upSample` doubles sizes. */
export type UpSampleMode = 'deconv' | 'nontrainable' | 'pixelshuffle';

/**
 * The metadata key of a network whose BatchNormalizations are instance normalizations with running statistics: the same at
 * inference, but not in training.
 */
export const runningInstanceKey = 'voxstream.runningInstanceNorm';

export const ones: Axes = [1, 1, 1];
export const twos: Axes = [2, 2, 2];

/** Where weights come from: a state dict, or what makes them anew. */
export type WeightSource = ReadonlyMap<string, Tensor> | FreshWeights;

/**
 * Makes the layers of a network out of a state dict (or out of fresh weights), as nodes of an ONNX graph (opset 17): each method takes
 * the name of the PyTorch module, so that parameters are found under `NAME.weight` and the like, and the name
 * of its input; it returns the name of its output. What is missing or has another shape is noted, and
 * `finish` reports all of it.
 */
export class Layers {
  readonly graph: Graph;
  readonly #state: ReadonlyMap<string, Tensor>;
  readonly #fresh: FreshWeights | undefined;
  readonly #known = new Set<string>();
  readonly #faults: string[] = [];
  readonly #missing: string[] = [];

  constructor(name: string, weights: WeightSource) {
    this.graph = new Graph({ name });
    this.#fresh = typeof weights === 'function' ? weights : undefined;
    this.#state = typeof weights === 'function' ? new Map() : weights;
  }

  /** Throws ModelError naming every tensor that was missing, misshapen, or not used. */
  finish(): void {
    const unexpected = [...this.#state.keys()].filter((name) => !this.#known.has(name));
    const faults = [...this.#faults, ...unexpected.map((name) => `${name} is not expected`)];
    if (faults.length === 0) return;
    const prefix = this.#prefixOfMissing(unexpected);
    const advice = prefix
      ? `They are all there behind "${prefix}": give --prefix ${prefix}`
      : 'Correct the configuration: it must be the one that the network was trained with.';
    throw new ModelError(
      `The weights do not fit the network ${this.graph.name} as it is configured:\n` +
        `  ${faults.join('\n  ')}\n${advice}`,
    );
  }

  /** What stands before the names of all missing tensors, where a training framework wrapped the network. */
  #prefixOfMissing(unexpected: readonly string[]): string | undefined {
    const [first] = this.#missing;
    const wrapped = first && unexpected.find((name) => name.endsWith(`.${first}`));
    const prefix = wrapped?.slice(0, -first.length);
    return this.#missing.every((name) => this.#state.has(`${prefix}${name}`)) ? prefix : undefined;
  }

  /** A parameter that must be there and have this shape, though inference does not use it. */
  expect(name: string, dims: readonly number[], start: WeightStart = 0): Tensor | undefined {
    if (this.#known.has(name)) return this.#state.get(name);
    this.#known.add(name);
    if (this.#fresh) return this.#fresh(dims, start);
    const found = this.#state.get(name);
    if (!found) {
      this.#missing.push(name);
      this.#faults.push(`${name} is missing; it must be ${show(dims)}`);
    } else if (found.dims.length !== dims.length || found.dims.some((n, i) => n !== dims[i])) {
      this.#faults.push(`${name} is ${show(found.dims)}, but must be ${show(dims)}`);
    } else if (!/float/.test(found.type)) {
      this.#faults.push(`${name} is of type ${found.type}, but must be of a float type`);
    }
    return found;
  }

  /** Tensors that inference does not need and that may have any shape. */
  ignore(names: (name: string) => boolean): void {
    for (const name of this.#state.keys()) if (names(name)) this.#known.add(name);
  }

  /**
   * A parameter as a float32 constant of the graph. `start` is how it begins where weights are fresh; `shape` is what the
   * graph sees, as many values.
   */
  parameter(name: string, dims: readonly number[], start: WeightStart, shape = dims): string {
    if (this.graph.initializers.has(name)) return name;
    const found = this.expect(name, dims, start);
    // Where it is missing, `finish` will say so, and the graph is not used.
    if (!found)
      return this.graph.addInitializer(name, { type: 'float32', dims: shape, data: new Float32Array() });
    const data = found.type === 'float32' ? found.data : Float32Array.from(numbersOf(found));
    return this.graph.addInitializer(name, { type: 'float32', dims: shape, data });
  }

  conv(name: string, input: string, options: ConvOptions): string {
    const { inputs, outputs, kernel, stride = ones, padding = halfOf(kernel), bias, copies } = options;
    const fanIn = inputs * sizeOf(kernel);
    const weights = [
      this.parameter(`${name}.weight`, [outputs, inputs, ...kernel], { part: 'kernel', fanIn, copies }),
    ];
    if (bias) weights.push(this.parameter(`${name}.bias`, [outputs], { part: 'bias', fanIn }));
    const attributes = { kernel_shape: kernel, strides: stride, pads: [...padding, ...padding] };
    return this.graph.addNode('Conv', [input, ...weights], attributes, { name: this.graph.freeName(name) });
  }

  /** A transposed convolution. `outputPadding` is what the result has more at the end of each axis. */
  convTranspose(name: string, input: string, options: ConvOptions & { outputPadding?: Axes }): string {
    const { inputs, outputs, kernel, stride = ones, padding = halfOf(kernel), bias } = options;
    // PyTorch takes the second number of a kernel's shape for its inputs, here too.
    const fanIn = outputs * sizeOf(kernel);
    const weights = [
      this.parameter(`${name}.weight`, [inputs, outputs, ...kernel], { part: 'kernel', fanIn }),
    ];
    if (bias) weights.push(this.parameter(`${name}.bias`, [outputs], { part: 'bias', fanIn }));
    const attributes = {
      kernel_shape: kernel,
      strides: stride,
      pads: [...padding, ...padding],
      output_padding: options.outputPadding ?? [0, 0, 0],
    };
    return this.graph.addNode('ConvTranspose', [input, ...weights], attributes, {
      name: this.graph.freeName(name),
    });
  }

  /**
   * MONAI's `Convolution` block: the convolution (`NAME.conv`) and what follows it (`NAME.adn`), zeros around
   * it so that sizes are divided by the stride, or multiplied by it where it is transposed.
   */
  convolution(
    name: string,
    input: string,
    options: ConvOptions & { readonly transposed?: boolean; readonly adn?: Adn },
  ): string {
    const { stride = ones, outputs, transposed, adn } = options;
    const outputPadding: Axes = [stride[0] - 1, stride[1] - 1, stride[2] - 1];
    let x = transposed
      ? this.convTranspose(`${name}.conv`, input, { ...options, outputPadding })
      : this.conv(`${name}.conv`, input, options);
    for (const letter of adn?.ordering.toUpperCase() ?? '') {
      if (letter === 'N' && adn?.norm) x = this.norm(`${name}.adn.N`, x, outputs, adn.norm);
      if (letter === 'A' && adn?.act) x = this.act(`${name}.adn.A`, x, adn.act);
    }
    return x;
  }

  /** A normalization over [N, channels, ...]: batch, instance or group. */
  norm(name: string, input: string, channels: number, norm: Norm): string {
    const epsilon = { float: norm.eps };
    const { graph } = this;
    const options = { name: graph.freeName(name) };
    if (norm.kind === 'group') {
      if (channels % norm.num_groups !== 0) {
        this.#faults.push(`${name} cannot divide ${channels} channels into ${norm.num_groups} groups`);
      }
      const apart = graph.addNode('Reshape', [input, this.#shape([0, norm.num_groups, -1])]);
      const normal = graph.addNode('InstanceNormalization', [apart, ...this.#unit(norm.num_groups)], {
        epsilon,
      });
      const back = graph.addNode('Reshape', [normal, graph.addNode('Shape', [input])], {}, options);
      if (!norm.affine) return back;
      const dims = [channels, 1, 1, 1];
      const scaled = graph.addNode('Mul', [back, this.parameter(`${name}.weight`, [channels], 1, dims)]);
      return graph.addNode('Add', [scaled, this.parameter(`${name}.bias`, [channels], 0, dims)]);
    }
    const affine = norm.affine
      ? [this.parameter(`${name}.weight`, [channels], 1), this.parameter(`${name}.bias`, [channels], 0)]
      : this.#unit(channels);
    if (!norm.track_running_stats) {
      return graph.addNode('InstanceNormalization', [input, ...affine], { epsilon }, options);
    }
    if (norm.kind === 'instance') graph.metadata[runningInstanceKey] = 'true';
    this.ignore((known) => known === `${name}.num_batches_tracked`);
    const statistics = ['running_mean', 'running_var'].map((part, start) =>
      this.parameter(`${name}.${part}`, [channels], start),
    );
    // PyTorch's momentum is the part that is new, ONNX's the part that stays.
    const momentum = { float: 1 - (norm.momentum ?? 0.1) };
    return graph.addNode(
      'BatchNormalization',
      [input, ...affine, ...statistics],
      { epsilon, momentum },
      options,
    );
  }

  /** An activation, value by value. */
  act(name: string, input: string, act: Act): string {
    const { graph } = this;
    const node = (op: string, inputs: readonly string[], attributes = {}) => {
      return graph.addNode(op, inputs, attributes, { name: graph.freeName(name) });
    };
    switch (act.kind) {
      case 'relu':
        return node('Relu', [input]);
      case 'leakyrelu':
        return node('LeakyRelu', [input], { alpha: { float: act.negative_slope } });
      case 'prelu': {
        const count = act.num_parameters;
        const shape = count === 1 ? [1] : [count, 1, 1, 1];
        const slope = this.parameter(`${name}.weight`, [count], act.init ?? 0.25, shape);
        return node('PRelu', [input, slope]);
      }
      case 'elu':
        return node('Elu', [input], { alpha: { float: act.alpha } });
      case 'celu':
        return node('Celu', [input], { alpha: { float: act.alpha } });
      case 'selu':
        return node('Selu', [input]);
      case 'relu6':
        return node('Clip', [input, this.#scalar(0), this.#scalar(6)]);
      case 'gelu': {
        // x times the normal distribution's integral up to x: 0.5 x (1 + erf(x / sqrt 2)).
        const erf = node('Erf', [node('Mul', [input, this.#scalar(Math.SQRT1_2)])]);
        const half = node('Mul', [input, this.#scalar(0.5)]);
        return node('Mul', [half, node('Add', [erf, this.#scalar(1)])]);
      }
      case 'sigmoid':
        return node('Sigmoid', [input]);
      case 'tanh':
        return node('Tanh', [input]);
      case 'swish': {
        const scaled = act.alpha === 1 ? input : node('Mul', [input, this.#scalar(act.alpha)]);
        return node('Mul', [input, node('Sigmoid', [scaled])]);
      }
      case 'mish':
        return node('Mul', [input, node('Tanh', [node('Softplus', [input])])]);
    }
  }

  /** Joins channels. */
  concat(inputs: readonly string[]): string {
    return this.graph.addNode('Concat', inputs, { axis: 1 });
  }

  add(a: string, b: string): string {
    return this.graph.addNode('Add', [a, b]);
  }

  /**
   * MONAI's `UpSample` by 2: a transposed convolution (`deconv`), trilinear interpolation after a 1x1x1
   * convolution where the channels change (`nontrainable`), or a convolution to eight times the channels,
   * which become the voxels of 2x2x2 blocks, and a mean over 2x2x2 voxels (`pixelshuffle`).
   */
  upSample(
    name: string,
    input: string,
    options: {
      readonly inputs: number;
      readonly outputs: number;
      readonly mode: UpSampleMode;
      readonly alignCorners: boolean;
    },
  ): string {
    const { inputs, outputs, mode, alignCorners } = options;
    if (mode === 'deconv') {
      const deconv = { inputs, outputs, kernel: twos, stride: twos, padding: [0, 0, 0] as const, bias: true };
      return this.convTranspose(`${name}.deconv`, input, deconv);
    }
    if (mode === 'pixelshuffle') {
      const conv = { inputs, outputs: 8 * outputs, kernel: [3, 3, 3] as const, bias: true, copies: 8 };
      return this.#shuffle(this.conv(`${name}.pixelshuffle.conv_block`, input, conv), outputs);
    }
    const preconv = { inputs, outputs, kernel: ones, bias: true };
    const x = inputs === outputs ? input : this.conv(`${name}.preconv`, input, preconv);
    const scales = this.#constant('scales', floats([5], [1, 1, 2, 2, 2]));
    return this.graph.addNode('Resize', [x, '', scales], {
      mode: 'linear',
      coordinate_transformation_mode: alignCorners ? 'align_corners' : 'half_pixel',
    });
  }

  /**
   * [N, 8 * channels, ...sizes] to [N, channels, ...2 * sizes], the last axis' half fastest among the
   * channels.
   */
  #shuffle(input: string, channels: number): string {
    const { graph } = this;
    const sizes = graph.addNode('Shape', [input], { start: 2 });
    const apartShape = graph.addNode('Concat', [this.#shape([-1, channels, 2, 2, 2]), sizes], { axis: 0 });
    const apart = graph.addNode('Reshape', [input, apartShape]);
    const moved = graph.addNode('Transpose', [apart], { perm: [0, 1, 5, 2, 6, 3, 7, 4] });
    const doubled = graph.addNode('Mul', [sizes, this.#shape([2])]);
    const shape = graph.addNode('Concat', [this.#shape([-1, channels]), doubled], { axis: 0 });
    const shuffled = graph.addNode('Reshape', [moved, shape]);
    const padded = graph.addNode('Pad', [shuffled, this.#shape([0, 0, 1, 1, 1, 0, 0, 0, 0, 0])]);
    return graph.addNode('AveragePool', [padded], { kernel_shape: [2, 2, 2] });
  }

  /** Repeats the last voxels of each axis so that the sizes become those of `like`; at least as many. */
  padLike(input: string, like: string): string {
    const { graph } = this;
    const [size, wanted] = [input, like].map((value) => graph.addNode('Shape', [value], { start: 2 }));
    const more = graph.addNode('Sub', [wanted, size]);
    const pads = graph.addNode('Concat', [this.#shape([0, 0, 0, 0, 0, 0, 0]), more], { axis: 0 });
    return graph.addNode('Pad', [input, pads], { mode: 'edge' });
  }

  /** Largest values of blocks of 2x2x2 voxels. */
  maxPool(input: string): string {
    return this.graph.addNode('MaxPool', [input], { kernel_shape: twos, strides: twos });
  }

  /** Scale 1 and offset 0, for a normalization without parameters. */
  #unit(channels: number): string[] {
    return [1, 0].map((value) => {
      return this.#constant(
        `${value}s_${channels}`,
        floats([channels], new Float32Array(channels).fill(value)),
      );
    });
  }

  #shape(values: readonly number[]): string {
    return this.#constant(`shape_${values.join('_')}`, int64s(values));
  }

  #scalar(value: number): string {
    return this.#constant(`scalar_${value}`, floats([], [value]));
  }

  /** A constant that the whole graph shares under a name that says its value. */
  #constant(name: string, value: Tensor): string {
    return this.graph.initializers.has(name) ? name : this.graph.addInitializer(name, value);
  }
}

/** The padding that keeps sizes, MONAI's `same_padding`; kernels are odd where it is used. */
function halfOf([x, y, z]: Axes): Axes {
  return [(x - 1) / 2, (y - 1) / 2, (z - 1) / 2];
}
