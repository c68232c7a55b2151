import protobuf from 'onnx-proto';
import type { Random } from '#src/volume/random.js';
import { mutate } from './mutate.js';

const { onnx } = protobuf;

/** Numbers that sizes, axes and counts often get wrong. */
const numbers = [0, -1, 1, 2, 3, 5, 7, 64, 65_535, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), 2 ** 40, 2 ** 62];

const operators = [
  ...[
    'Add',
    'AveragePool',
    'BatchNormalization',
    'Clip',
    'Concat',
    'Conv',
    'ConvTranspose',
    'Expand',
    'Gather',
  ],
  ...['InstanceNormalization', 'MatMul', 'MaxPool', 'Pad', 'Reshape', 'Resize', 'Slice', 'Softmax', 'Split'],
  ...['Tile', 'Transpose', 'Unsqueeze', 'Where'],
];

/**
 * A damaged copy of an ONNX model that is still an ONNX model: a size, an attribute, an operator, a type or
 * the wiring of a node is another one, or bytes of a weight are.
 */
export function mutateModel(file: Uint8Array, random: Random): Buffer {
  const model = onnx.ModelProto.decode(file);
  const graph = model.graph!;
  const anyOf = <T>(list: readonly T[] | null | undefined): T | undefined =>
    list && list.length > 0 ? list[random.integer(list.length)] : undefined;
  const node = anyOf(graph.node);
  const tensor = anyOf(graph.initializer);
  const attribute = anyOf(node?.attribute);
  switch (random.integer(9)) {
    case 0:
      if (tensor?.dims?.length) tensor.dims[random.integer(tensor.dims.length)] = anyOf(numbers)!;
      break;
    case 1:
      if (tensor?.dims?.length) {
        // With as much data as the new size says, so that it gets past the first check.
        tensor.dims[random.integer(tensor.dims.length)] = random.integer(4);
        const size = tensor.dims.reduce<number>((product, n) => product * Number(n), 1);
        tensor.rawData = new Uint8Array(4 * size).fill(60);
      }
      break;
    case 2:
      if (tensor?.rawData?.length) tensor.rawData = mutate(tensor.rawData, random, [tensor.rawData]);
      break;
    case 3:
      if (tensor) tensor.dataType = random.integer(18);
      break;
    case 4:
      if (attribute?.ints?.length) attribute.ints[random.integer(attribute.ints.length)] = anyOf(numbers)!;
      else if (attribute) attribute.i = anyOf(numbers)!;
      break;
    case 5:
      if (attribute?.ints)
        attribute.ints = random.integer(2) ? [...attribute.ints, 1] : attribute.ints.slice(1);
      break;
    case 6:
      if (node) node.opType = anyOf(operators)!;
      break;
    case 7:
      if (node?.input?.length) {
        const names = graph.node!.flatMap(({ output }) => output ?? []);
        node.input[random.integer(node.input.length)] = anyOf([...names, '', 'missing'])!;
      }
      break;
    default: {
      const shape = anyOf([...(graph.input ?? []), ...(graph.output ?? [])])?.type?.tensorType?.shape;
      const dim = anyOf(shape?.dim);
      if (dim) dim.dimValue = anyOf(numbers)!;
    }
  }
  return Buffer.from(onnx.ModelProto.encode(model).finish());
}
