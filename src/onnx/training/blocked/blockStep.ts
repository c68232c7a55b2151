import { producers, rewriteNodes } from '../../edit.js';
import type { Graph } from '../../graph.js';
import type { Shapes } from '../../shapes.js';
import { nchwc } from '../../slices/values.js';
import { BlockedValues } from './blockedValues.js';
import { convolutionRules } from './convolutionRules.js';
import { elementwiseRules } from './elementwiseRules.js';
import { normalizationRules } from './normalizationRules.js';
import { reductionRules } from './reductionRules.js';
import type { BlockRule } from './rule.js';

const rules: Readonly<Record<string, BlockRule>> = {
  ...convolutionRules,
  ...elementwiseRules,
  ...normalizationRules,
  ...reductionRules,
};

/**
 * Writes the 3D features of a training step as slices in blocks of channels, for the processor that has these
 * blocks; see `Slices`. Convolutions, their gradients, and what comes between them are computed on them.
 * Nodes without a rule, and values whose channels fill no blocks, stay as they are.
 *
 * @param shapes The sizes of all values.
 * @param block The processor's `channelBlock`, above 1.
 */
export function blockStep(graph: Graph, shapes: Shapes, block: number): Graph {
  const made = producers(graph);
  let values: BlockedValues | undefined;
  const rewritten = rewriteNodes(graph, (node, copy) => {
    values ??= new BlockedValues(copy, shapes, block);
    const done = rules[node.op]?.({ node, values, producer: (value) => made.get(value) }) ?? false;
    if (!done) for (const input of [...node.inputs, ...node.captures]) values.makeWhole(input);
    for (const output of node.outputs) {
      if (!done) values.noteWhole(output);
      if (graph.outputs.some(({ name }) => name === output)) values.makeWhole(output);
    }
    return done;
  });
  if (rewritten !== graph) rewritten.domains[nchwc] = 1;
  return rewritten;
}
