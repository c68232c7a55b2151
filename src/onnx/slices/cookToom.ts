/**
 * A way to compute `m` outputs of a filter from few products: the outputs are `outputs` times the elementwise
 * product of `filter` times the taps and `inputs` times the inputs that the outputs depend on.
 */
export interface FastFilter {
  /** [products, inputs]. */
  readonly inputs: Matrix;
  /** [products, taps]. */
  readonly filter: Matrix;
  /** [m, products]. */
  readonly outputs: Matrix;
}

export type Matrix = readonly (readonly number[])[];

/**
 * Where the polynomials are multiplied, beside infinity, by the number of these points. They have few binary
 * digits, and round little with random inputs. The error grows with the root of the mean, over the outputs,
 * of `outputs[i][p] ** 2 * norm(filter[p]) ** 2 * norm(inputs[p]) ** 2` summed over the products p.
 */
const points: Readonly<Record<number, readonly number[]>> = {
  2: [0, 1],
  3: [0, 1, -1],
  4: [0, 1, -0.5, -2],
  5: [0, 0.625, -0.625, 1.5, -1.5],
  6: [0, 0.5, -0.75, 1, -1.25, 2],
  7: [0, 1, -1, 2, -2, 0.5, -0.5],
};

/**
 * Winograd's F(m, taps), with m up to 6 and up to three taps per phase, for a filter that moves by
 * `stride`: output i reads the inputs from i times `stride` on. With a stride, the taps are separated into
 * phases that read the same inputs modulo the stride.
 */
export function fastFilter(m: number, taps: number, stride = 1): FastFilter {
  const width = (m - 1) * stride + taps;
  const parts = Array.from({ length: Math.min(stride, taps) }, (_, phase) => {
    const own = Math.ceil((taps - phase) / stride);
    const { inputs, filter, outputs } = own === 1 ? direct(m) : cookToom(m, own);
    return {
      inputs: inputs.map((row) => spread(row, width, phase, stride)),
      filter: filter.map((row) => spread(row, taps, phase, stride)),
      outputs,
    };
  });
  return {
    inputs: parts.flatMap(({ inputs }) => inputs),
    filter: parts.flatMap(({ filter }) => filter),
    outputs: Array.from({ length: m }, (_, i) => parts.flatMap(({ outputs }) => outputs[i])),
  };
}

/**
 * What each product gets of a bias, so that each output gets all of it: the products of inputs of 1 with a
 * filter whose first tap is 1 and whose others are 0.
 */
export function biasShares({ inputs, filter }: FastFilter): number[] {
  return inputs.map((row, product) => filter[product][0] * row.reduce((sum, x) => sum + x, 0));
}

function direct(m: number): FastFilter {
  const unit = Array.from({ length: m }, (_, i) => Array.from({ length: m }, (_, j) => (i === j ? 1 : 0)));
  return { inputs: unit, filter: unit.map(() => [1]), outputs: unit };
}

/**
 * Cook and Toom's construction, with m + taps - 1 products.
 *
 * Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2015).
 */
function cookToom(m: number, taps: number): FastFilter {
  const finite = points[m + taps - 2];
  const others = (point: number) => finite.filter((other) => other !== point);
  const powers = (point: number) => Array.from({ length: taps }, (_, power) => point ** power);
  return {
    inputs: [...finite.map((point) => [...polynomial(others(point)), 0]), polynomial(finite)],
    filter: [
      ...finite.map((point) => {
        const scale = others(point).reduce((product, other) => product * (point - other), 1);
        return powers(point).map((power) => power / scale);
      }),
      powers(0).map((_, power) => (power === taps - 1 ? 1 : 0)),
    ],
    outputs: Array.from({ length: m }, (_, power) => [
      ...finite.map((point) => point ** power),
      power === m - 1 ? 1 : 0,
    ]),
  };
}

/** The coefficients, constant first, of the polynomial with leading coefficient 1 and these roots. */
function polynomial(roots: readonly number[]): number[] {
  return roots.reduce<number[]>(
    (product, root) =>
      Array.from(
        { length: product.length + 1 },
        (_, power) => (product[power - 1] ?? 0) - root * (product[power] ?? 0),
      ),
    [1],
  );
}

/** Puts values at `first`, `first + step`, ... among zeros. */
function spread(values: readonly number[], length: number, first: number, step: number): number[] {
  const out = Array<number>(length).fill(0);
  for (const [i, value] of values.entries()) out[first + i * step] = value;
  return out;
}
