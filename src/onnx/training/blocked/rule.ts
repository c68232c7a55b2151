import type { GraphNode } from '../../graph.js';
import type { BlockedValues } from './blockedValues.js';

/** The input of a rule. */
export interface BlockTask {
  readonly node: GraphNode;
  readonly values: BlockedValues;
  /** The node of the graph before that makes a value. */
  readonly producer: (value: string) => GraphNode | undefined;
}

/**
 * Computes a node on values in blocks, and notes the value that it makes. Returns false, without adding
 * anything, if it does not apply.
 */
export type BlockRule = (task: BlockTask) => boolean;
