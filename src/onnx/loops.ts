import type protobuf from 'onnx-proto';
import type { Graph } from './graph.js';

type GraphProto = protobuf.onnx.IGraphProto;
type NodeProto = protobuf.onnx.INodeProto;

/** Whether a graph, a graph inside it, or one of its functions has a `Loop`, which may run forever. */
export function hasLoop({ nodes, functions }: Graph): boolean {
  const inner = nodes.flatMap(({ attributes }) =>
    Object.values(attributes).flatMap((value) =>
      typeof value === 'object' && 'proto' in value ? graphsOf(value.proto) : [],
    ),
  );
  return (
    nodes.some(({ op }) => op === 'Loop') ||
    inner.some((graph) => loops(graph.node)) ||
    functions.some(({ node }: protobuf.onnx.IFunctionProto) => loops(node))
  );
}

function loops(nodes: readonly NodeProto[] | null | undefined): boolean {
  return (nodes ?? []).some(
    ({ opType, attribute }) =>
      opType === 'Loop' || (attribute ?? []).flatMap(graphsOf).some((graph) => loops(graph.node)),
  );
}

function graphsOf({ g, graphs }: protobuf.onnx.IAttributeProto): readonly GraphProto[] {
  return [...(g ? [g] : []), ...(graphs ?? [])];
}
