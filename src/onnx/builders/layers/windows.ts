import { floats, tensor } from '../../tensor.js';
import { type Axes, eachAxis } from '../config.js';
import type { NetworkBuilder } from '../networkBuilder.js';

/** How a volume is cut into windows. */
export interface Windows {
  /** Sizes of a window. */
  readonly window: Axes;
  /** By how many voxels windows are shifted along each axis; 0 for none. */
  readonly shift: Axes;
  /** Sizes of the volume with zeros at the end of each axis: multiples of the window. */
  readonly padded: Axes;
  /** Windows along each axis. */
  readonly counts: Axes;
}

/**
 * Windows of a volume. An axis that is not longer than the window is one window, and not shifted; the others
 * are shifted by half a window, rounded down, where `shifted` is set.
 */
export function windowsOf(sizes: Axes, window: Axes, shifted: boolean): Windows {
  const clipped = eachAxis((axis) => Math.min(window[axis], sizes[axis]));
  const counts = eachAxis((axis) => Math.ceil(sizes[axis] / clipped[axis]));
  return {
    window: clipped,
    shift: eachAxis((axis) => (shifted && sizes[axis] > window[axis] ? Math.floor(window[axis] / 2) : 0)),
    padded: eachAxis((axis) => counts[axis] * clipped[axis]),
    counts,
  };
}

/**
 * [N, X, Y, Z, C] with zeros at the ends, rolled back by the shift, as windows [N, wx, wy, wz, tokens, C].
 */
export function partition(
  net: NetworkBuilder,
  input: string,
  sizes: Axes,
  channels: number,
  { window: [a, b, c], shift, padded, counts: [x, y, z] }: Windows,
): string {
  const { ops } = net;
  const ends = padded.map((size, axis) => size - sizes[axis]);
  const whole = ops.pad(input, [0, 0, 0, 0, 0, 0, ...ends, 0]);
  const rolled = roll(net, whole, shift);
  const apart = ops.reshape(rolled, [-1, x, a, y, b, z, c, channels]);
  const moved = ops.transpose(apart, [0, 1, 3, 5, 2, 4, 6, 7]);
  return ops.reshape(moved, [-1, x, y, z, a * b * c, channels]);
}

/** The reverse of `partition`. */
export function join(
  net: NetworkBuilder,
  input: string,
  sizes: Axes,
  channels: number,
  { window: [a, b, c], shift, padded, counts: [x, y, z] }: Windows,
): string {
  const { ops } = net;
  const apart = ops.reshape(input, [-1, x, y, z, a, b, c, channels]);
  const moved = ops.transpose(apart, [0, 1, 4, 2, 5, 3, 6, 7]);
  const whole = ops.reshape(moved, [-1, ...padded, channels]);
  const rolled = roll(
    net,
    whole,
    eachAxis((axis) => (shift[axis] === 0 ? 0 : padded[axis] - shift[axis])),
  );
  if (padded.every((size, axis) => size === sizes[axis])) return rolled;
  return ops.slice(rolled, [1, 2, 3], [0, 0, 0], sizes);
}

/** [N, X, Y, Z, C] whose first `shift` voxels of each axis are moved to the end. */
function roll(net: NetworkBuilder, input: string, shift: Axes): string {
  const { ops } = net;
  let x = input;
  for (const [i, first] of shift.entries()) {
    if (first === 0) continue;
    const axis = i + 1;
    const parts = [ops.slice(x, [axis], [first], [largest]), ops.slice(x, [axis], [0], [first])];
    x = ops.concat(parts, axis);
  }
  return x;
}

const largest = 2 ** 31 - 1;

/**
 * The entry of a learned table for each pair of tokens of a window, [tokens, tokens] as a list: the table has
 * one for each difference of places, (2 w0 - 1)(2 w1 - 1)(2 w2 - 1) in all.
 *
 * @param window The window that the table was made for.
 * @param tokens Those of the window in use. One that was clipped uses the first rows and columns of the whole
 * window's index, which are not those of its own geometry: MONAI does so, and weights were trained with it.
 */
export function relativeIndex(window: Axes, tokens: number): BigInt64Array {
  const [, w1, w2] = window;
  const places = Array.from({ length: tokens }, (_, token) => [
    Math.floor(token / (w1 * w2)),
    Math.floor(token / w2) % w1,
    token % w2,
  ]);
  const out = new BigInt64Array(tokens * tokens);
  for (const [i, from] of places.entries()) {
    for (const [j, to] of places.entries()) {
      const [dx, dy, dz] = from.map((at, axis) => at - to[axis] + window[axis] - 1);
      out[i * tokens + j] = BigInt((dx * (2 * w1 - 1) + dy) * (2 * w2 - 1) + dz);
    }
  }
  return out;
}

/**
 * The part of the scores that depends on the places of tokens, [1, heads, tokens, tokens], from the table
 * `NAME`.
 */
export function relativeBias(
  net: NetworkBuilder,
  name: string,
  { window, tokens, heads }: { readonly window: Axes; readonly tokens: number; readonly heads: number },
): string {
  const entries = window.reduce((product, size) => product * (2 * size - 1), 1);
  const table = net.parameter(name, [entries, heads], 0);
  const index = net.constant(
    `relative_index_${window.join('_')}_${tokens}`,
    tensor('int64', [tokens * tokens], relativeIndex(window, tokens)),
  );
  const rows = net.ops.reshape(net.graph.addNode('Gather', [table, index]), [1, tokens, tokens, heads]);
  return net.ops.transpose(rows, [0, 3, 1, 2]);
}

/**
 * Whether a window is the last one along each axis that is shifted; windows of one kind have the same mask.
 */
export type WindowKind = readonly [boolean, boolean, boolean];

/**
 * The mask [tokens, tokens] of a shifted window: -100 for pairs of tokens that were far apart before the
 * shift, 0 for others. In the last window of an axis, tokens from the two ends of the volume do not attend to
 * each other.
 */
export function maskOf({ window, shift }: Windows, kind: WindowKind): Float32Array {
  const [a, b, c] = window;
  const tokens = a * b * c;
  const regions = Array.from({ length: tokens }, (_, token) => {
    const places = [Math.floor(token / (b * c)), Math.floor(token / c) % b, token % c];
    const sides = places.map((place, axis) => (kind[axis] && place >= window[axis] - shift[axis] ? 1 : 0));
    return 4 * sides[0] + 2 * sides[1] + sides[2];
  });
  const pair = (_: unknown, at: number) =>
    regions[Math.floor(at / tokens)] === regions[at % tokens] ? 0 : -100;
  return Float32Array.from({ length: tokens * tokens }, pair);
}

/**
 * Applies `attend` to windows [N, wx, wy, wz, tokens, width] of each kind apart, each with `bias` and the
 * mask of its kind, and puts the results [B, tokens, channels] together again. A mask for each window would
 * take a hundred times the memory.
 */
export function attendByKind(
  net: NetworkBuilder,
  input: string,
  options: {
    readonly windows: Windows;
    readonly width: number;
    readonly channels: number;
    /** [1, heads, tokens, tokens] */
    readonly bias: string;
  },
  attend: (windows: string, bias: string) => string,
): string {
  const { windows, width, channels, bias } = options;
  const { ops } = net;
  const { window, shift, counts } = windows;
  const tokens = window[0] * window[1] * window[2];
  const biasOf = (kind: WindowKind) => {
    if (kind.every((last) => !last)) return bias;
    const name = ['mask', ...window, ...shift, ...kind.map(Number)].join('_');
    return ops.add(bias, net.constant(name, floats([tokens, tokens], maskOf(windows, kind))));
  };
  const run = (x: string, sizes: Axes, kind: WindowKind) => {
    const result = attend(ops.reshape(x, [-1, tokens, width]), biasOf(kind));
    return ops.reshape(result, [-1, ...sizes, tokens, channels]);
  };
  /** Splits along an axis and those behind it. */
  const split = (x: string, axis: number, sizes: Axes, kind: WindowKind): string => {
    if (axis === 3) return run(x, sizes, kind);
    if (shift[axis] === 0) return split(x, axis + 1, sizes, kind);
    const rest = counts[axis] - 1;
    const parts = [
      [0, rest, false],
      [rest, 1, true],
    ] as const;
    const results = parts
      .filter(([, count]) => count > 0)
      .map(([start, count, last]) => {
        const part = ops.slice(x, [axis + 1], [start], [start + count]);
        const size = eachAxis((other) => (other === axis ? count : sizes[other]));
        const inner: WindowKind = [
          axis === 0 ? last : kind[0],
          axis === 1 ? last : kind[1],
          axis === 2 ? last : kind[2],
        ];
        return split(part, axis + 1, size, inner);
      });
    return ops.concat(results, axis + 1);
  };
  return split(input, 0, counts, [false, false, false]);
}
