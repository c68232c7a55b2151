import protobuf from 'onnx-proto';
import { ModelError, messageOf } from '../errors.js';
import { type Attribute, Graph, type GraphNode, type GraphValue } from './graph.js';
import { typeNumber, typeOfNumber } from './tensor.js';
import { checkTensors, tensorFromProto, tensorToProto } from './tensorProto.js';
import { UnsafeModel } from './unsafeModel.js';

const { onnx } = protobuf;
const { AttributeType } = onnx.AttributeProto;
type AttributeProto = protobuf.onnx.IAttributeProto;
type GraphProto = protobuf.onnx.IGraphProto;
type NodeProto = protobuf.onnx.INodeProto;
type ValueProto = protobuf.onnx.IValueInfoProto;

/**
 * Reads an ONNX file. Constants are read in full; the shapes that a file may note for values inside are
 * dropped, for they need not hold once the graph is changed.
 *
 * @param file Its name, for messages.
 * @throws ModelError when the bytes are not an ONNX model; UnsafeModel for one that must not be run.
 */
export function readModel(bytes: Uint8Array, file = 'the model'): Graph {
  try {
    const model = decode(bytes);
    if (!model.graph) throw new ModelError('it holds no graph');
    return graphFromProto(model, model.graph);
  } catch (error) {
    throw readFault(file, error);
  }
}

/**
 * Checks an ONNX file without reading its graph.
 *
 * @throws ModelError when the bytes are not an ONNX model; UnsafeModel for one that must not be run.
 */
export function checkModel(bytes: Uint8Array, file: string): void {
  try {
    decode(bytes);
  } catch (error) {
    throw readFault(file, error);
  }
}

function decode(bytes: Uint8Array): protobuf.onnx.ModelProto {
  const model = onnx.ModelProto.decode(bytes);
  checkTensors(model);
  return model;
}

function readFault(file: string, error: unknown): ModelError {
  const Fault = error instanceof UnsafeModel ? UnsafeModel : ModelError;
  return new Fault(`${file} cannot be read as an ONNX model: ${messageOf(error)}`);
}

/** The bytes of an ONNX file. Throws ModelError when a node uses a value that was not made before it. */
export function writeModel(graph: Graph): Uint8Array {
  checkGraph(graph);
  const model: protobuf.onnx.IModelProto = {
    irVersion: 8,
    producerName: 'voxstream',
    opsetImport: [
      { domain: '', version: graph.opset },
      ...Object.entries(graph.domains).map(([domain, version]) => ({ domain, version })),
    ],
    metadataProps: Object.entries(graph.metadata).map(([key, value]) => ({ key, value })),
    functions: [...graph.functions],
    graph: {
      name: graph.name,
      node: graph.nodes.map(nodeToProto),
      initializer: Array.from(graph.initializers, ([name, value]) => tensorToProto(name, value)),
      input: graph.inputs.map(valueToProto),
      output: graph.outputs.map(valueToProto),
      valueInfo: graph.declared.map(valueToProto),
    },
  };
  return onnx.ModelProto.encode(model).finish();
}

function graphFromProto(model: protobuf.onnx.IModelProto, proto: GraphProto): Graph {
  const opsets = (model.opsetImport ?? []).map((set) => [set.domain ?? '', Number(set.version)] as const);
  const graph = new Graph({
    name: proto.name || 'graph',
    opset: opsets.find(([domain]) => domain === '' || domain === 'ai.onnx')?.[1],
    domains: Object.fromEntries(opsets.filter(([domain]) => domain !== '' && domain !== 'ai.onnx')),
    metadata: Object.fromEntries(
      (model.metadataProps ?? []).map(({ key, value }) => [key ?? '', value ?? '']),
    ),
  });
  graph.functions = model.functions ?? [];
  for (const item of proto.initializer ?? []) graph.addInitializer(item.name ?? '', tensorFromProto(item));
  for (const item of proto.input ?? []) {
    // Files of the first ONNX versions list constants among the inputs.
    if (graph.initializers.has(item.name ?? '')) continue;
    const { name, type, dims } = valueFromProto(item);
    graph.addInput(name, type, dims);
  }
  for (const item of proto.node ?? []) {
    const attributes = item.attribute ?? [];
    const name = graph.addNode(
      item.opType ?? '',
      item.input ?? [],
      Object.fromEntries(
        attributes.map((attribute) => [attribute.name ?? '', attributeFromProto(attribute)]),
      ),
      {
        name: item.name || undefined,
        domain: item.domain === 'ai.onnx' ? '' : (item.domain ?? ''),
        outputs: item.output ?? [],
      },
    );
    const node = graph.nodes[graph.nodes.length - 1];
    const captures = attributes.flatMap((attribute) =>
      [attribute.g, ...(attribute.graphs ?? [])].flatMap((inner) => (inner ? namesUsed(inner) : [])),
    );
    graph.nodes[graph.nodes.length - 1] = { ...node, name: item.name || name, captures };
  }
  for (const item of proto.output ?? []) graph.outputs.push(valueFromProto(item));
  return graph;
}

/** Every name a subgraph uses: those it does not make itself come from outside. */
function namesUsed(graph: GraphProto): string[] {
  const outputs = (graph.output ?? []).map((output) => output.name ?? '');
  const inputs = (graph.node ?? []).flatMap((node) => [
    ...(node.input ?? []),
    ...(node.attribute ?? []).flatMap(({ g, graphs }) =>
      [g, ...(graphs ?? [])].flatMap((inner) => (inner ? namesUsed(inner) : [])),
    ),
  ]);
  return [...outputs, ...inputs];
}

function valueFromProto(proto: ValueProto): GraphValue {
  const type = typeOfNumber(proto.type?.tensorType?.elemType);
  if (!type) throw new ModelError(`its input or output ${proto.name} is not a tensor of numbers`);
  const dims = (proto.type?.tensorType?.shape?.dim ?? []).map((dim, axis) => {
    if (dim.dimParam) return dim.dimParam;
    const size = Number(dim.dimValue ?? 0);
    return size > 0 ? size : `${proto.name}_${axis}`;
  });
  return { name: proto.name ?? '', type, dims };
}

function valueToProto({ name, type, dims }: GraphValue): ValueProto {
  const dim = dims.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: typeNumber(type), shape: { dim } } } };
}

function attributeFromProto(proto: AttributeProto): Attribute {
  switch (proto.type) {
    case AttributeType.INT:
      return Number(proto.i);
    case AttributeType.INTS:
      return (proto.ints ?? []).map(Number);
    case AttributeType.FLOAT:
      return { float: proto.f ?? 0 };
    case AttributeType.FLOATS:
      return { floats: proto.floats ?? [] };
    case AttributeType.STRING:
      return text(proto.s);
    case AttributeType.STRINGS:
      return { strings: (proto.strings ?? []).map(text) };
    case AttributeType.TENSOR:
      if (proto.t && typeOfNumber(proto.t.dataType)) return { tensor: tensorFromProto(proto.t) };
      return { proto };
    default:
      return { proto };
  }
}

function text(bytes: Uint8Array | null | undefined): string {
  return new TextDecoder().decode(bytes ?? new Uint8Array());
}

function attributeToProto(name: string, value: Attribute): AttributeProto {
  const bytes = (string: string) => new TextEncoder().encode(string);
  if (typeof value === 'number') return { name, type: AttributeType.INT, i: whole(name, value) };
  if (typeof value === 'string') return { name, type: AttributeType.STRING, s: bytes(value) };
  if ('float' in value) return { name, type: AttributeType.FLOAT, f: value.float };
  if ('floats' in value) return { name, type: AttributeType.FLOATS, floats: [...value.floats] };
  if ('strings' in value) return { name, type: AttributeType.STRINGS, strings: value.strings.map(bytes) };
  if ('tensor' in value) return { name, type: AttributeType.TENSOR, t: tensorToProto(name, value.tensor) };
  if ('proto' in value) return value.proto;
  return { name, type: AttributeType.INTS, ints: value.map((item) => whole(name, item)) };
}

function whole(name: string, value: number): number {
  if (Number.isSafeInteger(value)) return value;
  throw new ModelError(
    `The attribute ${name} is ${value}, but a plain number must be whole; write { float: ${value} }.`,
  );
}

function nodeToProto(node: GraphNode): NodeProto {
  return {
    name: node.name,
    opType: node.op,
    domain: node.domain,
    input: node.inputs,
    output: node.outputs,
    attribute: Object.entries(node.attributes).map(([name, value]) => attributeToProto(name, value)),
  };
}

function checkGraph(graph: Graph): void {
  const made = new Set([...graph.initializers.keys(), ...graph.inputs.map(({ name }) => name)]);
  for (const node of graph.nodes) {
    for (const input of node.inputs) {
      if (input && !made.has(input)) {
        throw new ModelError(
          `The node ${node.name} (${node.op}) uses "${input}", which nothing before it makes.`,
        );
      }
    }
    for (const output of node.outputs) {
      if (output && made.has(output)) throw new ModelError(`Two nodes make the value "${output}".`);
      made.add(output);
    }
  }
  for (const { name } of graph.outputs) {
    if (!made.has(name))
      throw new ModelError(`The graph ${graph.name} has an output "${name}" that nothing makes.`);
  }
}
