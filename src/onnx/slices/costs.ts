/** What parts of a layer take on a processor, in products of a convolution. */
export interface LayerCosts {
  /** Reading and writing an output value of a convolution. */
  readonly output: number;
  /** Cutting and combining the inputs of Winograd's tiles, per combined value. */
  readonly cut: number;
  /** Combining the products of Winograd's tiles, per value of a product. */
  readonly combine: number;
}

/** The costs on Zen 4 with AVX-512, where a product takes 0.02 ns. */
export const usualCosts: LayerCosts = { output: 15, cut: 43, combine: 16 };
