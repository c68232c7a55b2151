import { intOf } from '#src/onnx/edit.js';
import type { Attribute, Graph } from '#src/onnx/graph.js';
import { Ops } from '#src/onnx/ops.js';
import { inferShapes } from '#src/onnx/shapes.js';
import { nchwc } from '#src/onnx/slices/values.js';
import { int64s } from '#src/onnx/tensor.js';

/**
 * ONNX Runtime's blocked operators (`com.microsoft.nchwc`) in ONNX's own ones, so that a graph for blocks of
 * 8 or 16 channels can be run on any processor: an implementation of what these operators do, made for tests.
 *
 * @param dims The size of each input; batches of other sizes may be run.
 */
export function unblocked(
  graph: Graph,
  block: number,
  dims: Readonly<Record<string, readonly number[]>>,
): Graph {
  const out = graph.clone();
  out.domains = {};
  out.nodes = [];
  const int = (values: readonly number[]) => out.addConstant('shape', int64s(values));
  const sizeOf = (value: string) => {
    const known = inferShapes(out, dims).get(value);
    if (!known) throw new Error(`the size of ${value} is not known`);
    return known;
  };
  const reshape = (value: string, shape: readonly number[]) => out.addNode('Reshape', [value, int(shape)]);
  /** [N, C, H, W] from [N, C / b, H, W, b], which has the same size by name. */
  const planar = (value: string) => {
    const [, c, h, w] = sizeOf(value);
    const apart = reshape(value, [-1, c / block, h, w, block]);
    return reshape(out.addNode('Transpose', [apart], { perm: [0, 1, 4, 2, 3] }), [-1, c, h, w]);
  };
  const blocked = (value: string, name: string) => {
    const [, c, h, w] = sizeOf(value);
    if (c % block !== 0) throw new Error(`${c} channels fill no blocks of ${block}`);
    const apart = reshape(value, [-1, c / block, block, h, w]);
    const moved = out.addNode('Transpose', [apart], { perm: [0, 1, 3, 4, 2] });
    out.addNode('Reshape', [moved, int([-1, c, h, w])], {}, { outputs: [name] });
  };

  for (const node of graph.nodes) {
    const [input, filter, bias, sum] = node.inputs;
    const [output] = node.outputs;
    if (node.domain !== nchwc) {
      out.addNode(node.op, node.inputs, node.attributes, { domain: node.domain, outputs: node.outputs });
    } else if (node.op === 'ReorderInput') {
      blocked(input, output);
    } else if (node.op === 'ReorderOutput') {
      const all = planar(input);
      out.addNode(
        'Slice',
        [all, int([0]), int([intOf(node, 'channels', 0)]), int([1])],
        {},
        {
          outputs: [output],
        },
      );
    } else if (node.op === 'GlobalAveragePool') {
      blocked(new Ops(out).mean(planar(input), [2, 3]), output);
    } else {
      const [, inner] = sizeOf(filter);
      const groups = intOf(node, 'group', 1);
      // What decides in ONNX Runtime how it reads a convolution's input and filter.
      const direct = groups === 1 && inner < block;
      const { activation, activation_params: parameters, ...attributes } = node.attributes;
      const conv = out.addNode(
        'Conv',
        [direct ? input : planar(input), plainFilter(filter, inner < block), ...(bias ? [bias] : [])],
        attributes,
      );
      const total = sum ? out.addNode('Add', [conv, planar(sum)]) : conv;
      blocked(typeof activation === 'string' ? activate(activation, total, parameters) : total, output);
    }
  }
  return out;

  function activate(op: string, value: string, parameters: Attribute | undefined): string {
    const values = typeof parameters === 'object' && 'floats' in parameters ? parameters.floats : [];
    return out.addNode(op, [value], op === 'LeakyRelu' ? { alpha: { float: values[0] } } : {});
  }

  /**
   * [O, I, H, W] from [O / b, I / b, H, W, b inputs, b outputs], or from [O / b, I, H, W, b outputs] when
   * `direct`.
   */
  function plainFilter(filter: string, direct: boolean): string {
    const [outputs, inputs, height, width] = sizeOf(filter);
    const inner = direct ? 1 : block;
    const apart = reshape(filter, [outputs / block, inputs / inner, height, width, inner, block]);
    return reshape(out.addNode('Transpose', [apart], { perm: [0, 5, 1, 4, 2, 3] }), [
      outputs,
      inputs,
      height,
      width,
    ]);
  }
}
