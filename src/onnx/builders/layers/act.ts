import type { Act } from '../config.js';
import type { NetworkBuilder } from '../networkBuilder.js';

/** An activation, value by value. */
export function act(net: NetworkBuilder, name: string, input: string, kind: Act): string {
  const node = (op: string, inputs: readonly string[], attributes = {}) =>
    net.node(name, op, inputs, attributes);
  switch (kind.kind) {
    case 'relu':
      return node('Relu', [input]);
    case 'leakyrelu':
      return node('LeakyRelu', [input], { alpha: { float: kind.negative_slope } });
    case 'prelu': {
      const count = kind.num_parameters;
      const shape = count === 1 ? [1] : [count, 1, 1, 1];
      const slope = net.parameter(`${name}.weight`, [count], kind.init ?? 0.25, shape);
      return node('PRelu', [input, slope]);
    }
    case 'elu':
      return node('Elu', [input], { alpha: { float: kind.alpha } });
    case 'celu':
      return node('Celu', [input], { alpha: { float: kind.alpha } });
    case 'selu':
      return node('Selu', [input]);
    case 'relu6':
      return node('Clip', [input, net.scalar(0), net.scalar(6)]);
    case 'gelu': {
      // x times the normal distribution's integral up to x: 0.5 x (1 + erf(x / sqrt 2)).
      const erf = node('Erf', [node('Mul', [input, net.scalar(Math.SQRT1_2)])]);
      const half = node('Mul', [input, net.scalar(0.5)]);
      return node('Mul', [half, node('Add', [erf, net.scalar(1)])]);
    }
    case 'sigmoid':
      return node('Sigmoid', [input]);
    case 'tanh':
      return node('Tanh', [input]);
    case 'swish': {
      const scaled = kind.alpha === 1 ? input : node('Mul', [input, net.scalar(kind.alpha)]);
      return node('Mul', [input, node('Sigmoid', [scaled])]);
    }
    case 'mish':
      return node('Mul', [input, node('Tanh', [node('Softplus', [input])])]);
  }
}
