import type { Graph } from '../graph.js';
import { int64s } from '../tensor.js';
import { usualCosts } from './costs.js';
import { roundUp } from './filters.js';

/** ONNX Runtime's domain of operators on blocked channels. */
export const nchwc = 'com.microsoft.nchwc';

/**
 * Slices of 3D features as a batch of 2D ones: a tensor [N * depth, channels, height, width]. `blocked` is in
 * ONNX Runtime's order [N * depth, channels / b, height, width, b], the channels filled up to a multiple of
 * the block b with values that no filter looks at; `planar` has each channel's plane as a whole. Along the
 * depth, and along whole blocks of channels, both can be cut and joined by ONNX's own operators.
 */
export interface Slices {
  readonly name: string;
  readonly layout: 'blocked' | 'planar';
  readonly channels: number;
  readonly size: readonly [number, number, number];
  /**
   * Makes the slices from `first` to before `end` as rows, for slices that are not held as a whole. Asking
   * for their name makes all of them.
   */
  read?(first: number, end: number): string;
}

/** Puts nodes on slices into a graph. */
export class SliceWriter {
  readonly #made = new Map<string, string>();
  #layer = 0;

  constructor(
    readonly graph: Graph,
    /** Channels per block. */
    readonly block: number,
    /** The most output slices that Winograd's algorithm may compute at a time. */
    readonly largestTile: number,
    /** Whether values can be written over part by part; see `RowBuffer`. */
    readonly inPlace = false,
    readonly costs = usualCosts,
    /** What a byte of a session's memory is worth, in products; see `priceOfByte`. */
    readonly bytePrice = 0,
  ) {}

  /** The name of a value, made when it is first asked for. */
  once(key: string, make: () => string): string {
    const name = this.#made.get(key) ?? make();
    this.#made.set(key, name);
    return name;
  }

  /** Channels that the tensor of slices really has. */
  stored({ layout, channels }: Pick<Slices, 'layout' | 'channels'>): number {
    return layout === 'blocked' ? roundUp(channels, this.block) : channels;
  }

  /** The name of a constant that holds these sizes, the same for the same sizes. */
  shape(values: readonly number[]): string {
    return this.once(`shape ${values}`, () => this.graph.addConstant('shape', int64s(values)));
  }

  /** Says that the nodes to come are of another layer than those before. */
  startLayer(): void {
    this.#layer++;
  }

  reshape(value: string, dims: readonly number[], output?: string): string {
    return this.graph.addNode('Reshape', [value, this.shape(dims)], {}, output ? { outputs: [output] } : {});
  }

  /** The slices with each slice's values in a row: [N, depth, values], whatever their order inside. */
  rows(slices: Slices): string {
    const [depth, height, width] = slices.size;
    return this.reshape(slices.name, [-1, depth, this.stored(slices) * height * width]);
  }

  /** Rows back as slices. */
  unrow(rows: string, like: Omit<Slices, 'name'>): Slices {
    const [depth, height, width] = like.size;
    const name = this.apart(rows, [depth, this.stored(like), height, width]);
    return { name, layout: like.layout, channels: like.channels, size: like.size };
  }

  /**
   * A value in another shape. The first size is that of one window; with several, it is that many times as
   * large.
   *
   * When a session is created, ONNX Runtime compares the size of each value with those of all free values
   * before it, to take over the memory of one. Values of unknown size stay in this list, so that a form of
   * 8,000 nodes took 4 s. With the first size declared under the name of the layer, parts of a layer take
   * over each other's memory. Under one name for all layers, memory would be kept for too long.
   */
  apart(value: string, [first, ...rest]: readonly number[]): string {
    const name = this.reshape(value, [-1, ...rest]);
    if (this.inPlace) {
      const dims = [`layer${this.#layer}.${first}`, ...rest];
      this.graph.declared.push({ name, type: 'float32', dims });
    }
    return name;
  }

  /** The slices start, start + step, ... (`count` of them), zeros where there are none. */
  pick(slices: Slices, start: number, step: number, count: number): Slices {
    const depth = slices.size[0];
    if (start === 0 && step === 1 && count === depth) return slices;
    const size = [count, slices.size[1], slices.size[2]] as const;
    const name = this.once(`pick ${[slices.name, start, step, count]}`, () => {
      const rows = this.#pickRows(this.rows(slices), depth, start, step, count);
      return this.unrow(rows, { ...slices, size }).name;
    });
    return { ...slices, name, size };
  }

  /**
   * The slices from `first` to before `end` of rows [N, depth, values]. Not a Slice: ONNX Runtime makes all
   * Slices of a value one Split, which would hold all their copies at a time.
   */
  cutRows(rows: string, first: number, end: number): string {
    const places = Array.from({ length: end - first }, (_, i) => first + i);
    return this.graph.addNode('Gather', [rows, this.shape(places)], { axis: 1 });
  }

  /** `count` slices from `first` on. */
  cut(slices: Slices, first: number, count: number): Slices {
    const [depth, height, width] = slices.size;
    if (count === depth) return slices;
    const rows = this.cutRows(this.rows(slices), first, first + count);
    return this.unrow(rows, { ...slices, size: [count, height, width] });
  }

  #pickRows(rows: string, depth: number, start: number, step: number, count: number): string {
    if (step === 1) return this.#pad(rows, -start, start + count - depth);
    const before = Math.max(0, Math.ceil(-start / step));
    const inside = Math.min(count, Math.floor((depth - 1 - start) / step) + 1) - before;
    const first = start + before * step;
    const cut = this.graph.addNode('Slice', [
      rows,
      this.shape([first]),
      this.shape([first + (inside - 1) * step + 1]),
      this.shape([1]),
      this.shape([step]),
    ]);
    return this.#pad(cut, before, count - before - inside);
  }

  /** Adds slices of zeros at both ends, or takes slices away where the number is negative. */
  #pad(rows: string, before: number, after: number): string {
    if (before === 0 && after === 0) return rows;
    return this.graph.addNode('Pad', [rows, this.shape([0, before, 0, 0, after, 0])]);
  }
}

/** Slices with each channel's plane as a whole. */
export function planarOf({ graph }: SliceWriter, { name, layout, channels }: Slices): string {
  return layout === 'planar' ? name : graph.addNode('ReorderOutput', [name], { channels }, { domain: nchwc });
}

/** Planar slices as blocked ones. */
export function blockedOf(writer: SliceWriter, slices: Slices): Slices {
  const { graph } = writer;
  const missing = writer.stored({ ...slices, layout: 'blocked' }) - slices.channels;
  const full = missing
    ? graph.addNode('Pad', [slices.name, writer.shape([0, 0, 0, 0, 0, missing, 0, 0])])
    : slices.name;
  return {
    ...slices,
    layout: 'blocked',
    name: graph.addNode('ReorderInput', [full], {}, { domain: nchwc }),
  };
}
