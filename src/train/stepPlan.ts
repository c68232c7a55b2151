import { writeModel } from '../onnx/modelFile.js';
import { sizeOf } from '../onnx/tensor.js';
import {
  gradientName,
  type StateEntry,
  type StepPart,
  type StepRequest,
  splitStepGraphs,
  stepGraph,
} from '../onnx/training/stepGraph.js';
import type { GradientPlace, PartSetup, StateSlot, TrainerSetup } from './trainerMessages.js';

/** The graphs of a step, the state, and where the gradients are. */
export interface StepPlan {
  readonly parts: Pick<TrainerSetup, 'step' | 'gradients' | 'update'>;
  readonly state: ReadonlyMap<string, StateEntry>;
  /** Where each weight's gradient is between the two graphs. Empty with one graph. */
  readonly places: readonly GradientPlace[];
}

/** A step in one graph. */
export function planInOne(request: StepRequest): StepPlan {
  const part = stepGraph(request);
  const state = new Map(part.state.map((entry) => [entry.name, entry]));
  return { parts: { step: partSetup(part, part.state) }, state, places: [] };
}

/**
 * A step in two graphs, so that gradients of several batches or replicas can be added up before the update.
 */
export function planInTwo(request: StepRequest): StepPlan {
  const { gradients, update } = splitStepGraphs(request);
  const changes = gradients.state.filter(({ kind }) => kind === 'statistic');
  const state = new Map([...gradients.state, ...update.state].map((entry) => [entry.name, entry]));
  const dimsOf = new Map(gradients.state.map(({ name, dims }) => [name, dims]));
  let offset = 0;
  const places = gradients.outputs.map(({ weight, output }): GradientPlace => {
    const dims = dimsOf.get(weight) ?? [];
    const place = { name: weight, output, input: gradientName(weight), dims, offset, length: sizeOf(dims) };
    offset += place.length;
    return place;
  });
  return {
    parts: { gradients: partSetup(gradients, changes), update: partSetup(update, update.state) },
    state,
    places,
  };
}

function partSetup(part: StepPart, changes: readonly StateEntry[]): PartSetup {
  return {
    bytes: writeModel(part.graph),
    image: part.image,
    changes: changes.map(({ name, next, dims }): StateSlot => ({ name, next, dims })),
    reads: part.state.filter((entry) => !changes.includes(entry)).map(({ name }) => name),
  };
}
