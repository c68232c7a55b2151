import { Random } from '../../volume/random.js';
import { floats, sizeOf, type Tensor } from '../tensor.js';

/**
 * How a weight begins: all of one number, or as a convolution's kernel or bias, whose outputs sum up `fanIn`
 * products.
 */
export type WeightStart =
  | number
  | {
      readonly part: 'kernel' | 'bias';
      readonly fanIn: number;
      /** This many outputs after one another have the same kernel. Default: 1. */
      readonly copies?: number;
    };

/** Makes a weight where there is no trained one. */
export type FreshWeights = (dims: readonly number[], start: WeightStart) => Tensor;

/**
 * How a network's convolutions begin:
 * - `uniform`, PyTorch's own: kernels and biases uniform within 1 / sqrt(fanIn);
 * - `kaimingNormal`, nnU-Net's and `DynUNet`'s: kernels normal with the deviation sqrt(2 / (1.0001 fanIn))
 *   (He et al., 2015, for a leaky ReLU of slope 0.01), biases 0.
 *
 * Kernels with copies, which a pixel shuffle follows, are normal with sqrt(2 / fanIn) in both, so that all
 * voxels of a block begin equal (Aitken et al., 2017, MONAI's `icnr_init`).
 */
export type WeightScheme = 'uniform' | 'kaimingNormal';

/**
 * Weights at the start of a training. The same seed gives the same ones, in the order in which they are asked
 * for.
 */
export function freshWeights(seed: number, scheme: WeightScheme): FreshWeights {
  const random = new Random(seed);
  return (dims, start) => {
    const data = new Float32Array(sizeOf(dims));
    if (typeof start === 'number') return floats(dims, data.fill(start));
    const { part, fanIn, copies = 1 } = start;
    if (copies > 1) {
      const kernel = data.length / dims[0];
      for (let output = 0; output < dims[0]; output += copies) {
        const [first, next] = [output * kernel, (output + 1) * kernel];
        for (let at = first; at < next; at++) data[at] = random.normal(0, Math.sqrt(2 / fanIn));
        for (let copy = 1; copy < copies; copy++) data.copyWithin(first + copy * kernel, first, next);
      }
      return floats(dims, data);
    }
    if (scheme === 'kaimingNormal') {
      if (part === 'bias') return floats(dims, data);
      const deviation = Math.sqrt(2 / ((1 + 0.01 ** 2) * fanIn));
      return floats(
        dims,
        data.map(() => random.normal(0, deviation)),
      );
    }
    const bound = 1 / Math.sqrt(fanIn);
    return floats(
      dims,
      data.map(() => random.uniform(-bound, bound)),
    );
  };
}
