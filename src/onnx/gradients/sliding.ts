import { intOf, intsOf, textOf } from '../edit.js';
import type { GraphNode } from '../graph.js';
import { type Dims, untrainable } from './rule.js';

/**
 * How a kernel slides. `strides` and `dilations` have a number per axis; `pads` has all begins, then all
 * ends.
 */
export interface Sliding {
  readonly strides: Dims;
  readonly dilations: Dims;
  readonly pads: Dims;
  readonly group: number;
}

/** How the kernel of a convolution over `rank` axes slides. Throws ModelError if its padding is automatic. */
export function slidingOf(node: GraphNode, rank: number): Sliding {
  if (textOf(node, 'auto_pad', 'NOTSET') !== 'NOTSET' || node.attributes['output_shape']) {
    throw untrainable(node, 'its padding must be written out as "pads"');
  }
  return {
    strides: intsOf(node, 'strides', Array<number>(rank).fill(1)),
    dilations: intsOf(node, 'dilations', Array<number>(rank).fill(1)),
    pads: intsOf(node, 'pads', Array<number>(2 * rank).fill(0)),
    group: intOf(node, 'group', 1),
  };
}
