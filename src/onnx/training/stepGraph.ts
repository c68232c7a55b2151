import { ModelError } from '../../errors.js';
import { runningInstanceKey } from '../builders/layers/norm.js';
import { prune } from '../edit.js';
import { addGradients } from '../gradients/differentiate.js';
import { Graph, type GraphNode } from '../graph.js';
import { Ops } from '../ops.js';
import { bindSizes } from '../passes/bindSizes.js';
import { inferShapes } from '../shapes.js';
import { floats, sizeOf, type Tensor } from '../tensor.js';
import { useBatchStatistics } from './batchStatistics.js';
import { blockStep } from './blocked/blockStep.js';
import { halfCompute } from './halfCompute.js';
import type { Loss } from './loss.js';
import { lowerConvolutions } from './lowerConvolutions.js';
import { lowerLogSumExp } from './lowerLogSumExp.js';
import type { Optimizer } from './optimizer.js';
import { cancelledBiases, trainableWeights } from './weights.js';

/** What a step graph is made of. */
export interface StepRequest {
  /** The model for training: one input, one output with logits, and unmerged batch normalizations. */
  readonly model: Graph;
  /** Size of the input, [N, C, ...], in the order of the model's axes. */
  readonly inputDims: readonly number[];
  /** Channels of the label. Default: 1, class numbers. */
  readonly labelChannels?: number;
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  readonly clip?: Clip;
  /** The `channelBlock` of the processor that will run the step. Default: 1, any device. */
  readonly block?: number;
  /**
   * `float16` computes convolutions and matrix products with half the bits (see `halfCompute`). The loss is
   * multiplied by `lossScale` before differentiation, so that small gradients do not become zero, and the
   * gradients of weights are divided by it. A step whose gradients are not finite changes nothing. Default:
   * `float32`.
   */
  readonly precision?: Precision;
  /** Whether the model's output is an output of the graph, too. Default: false. */
  readonly keepLogits?: boolean;
}

export type Precision = 'float32' | 'float16';

/** Limits of the gradients: the norm of all together, and each number between -value and value. */
export interface Clip {
  readonly norm?: number;
  readonly value?: number;
}

/** A tensor that a step takes and changes. */
export interface StateEntry {
  /** The graph's input. Weights and running statistics have the names that they have in the model. */
  readonly name: string;
  readonly kind: 'weight' | 'statistic' | 'slot' | 'step';
  readonly dims: readonly number[];
  /** The graph's output, its value after the step. */
  readonly next: string;
  /** The value before the first step. */
  readonly initial: Tensor;
}

/** A graph of a step, or of a part of it, and the state that it takes. */
export interface StepPart {
  readonly graph: Graph;
  /** The input for images. Undefined for a graph without one. */
  readonly image?: string;
  /** The state that it takes. What it changes comes out again. */
  readonly state: readonly StateEntry[];
}

/** Names of the inputs and outputs of step graphs, except the image and the state. */
export const stepNames = {
  label: 'label',
  learningRate: 'learningRate',
  /** With float16 only. */
  lossScale: 'lossScale',
  loss: 'loss',
  /** With `keepLogits` only: the model's output before the step, [N, C, ...] float32. */
  logits: 'logits',
  gradNorm: 'gradNorm',
} as const;

/** The state entry that counts steps. */
export const stepCounter = 'optimizer.step';

/**
 * A whole training step as one graph: forward pass, loss, backward pass, update. Inputs: the model's own [N,
 * C, ...] float32, `label` [N, labelChannels, ...] uint8, `learningRate` (a scalar), and the state. Outputs:
 * `loss`, `gradNorm` (scalars; the norm of all gradients before clipping), and the state after the step.
 *
 * @throws ModelError if a part of the model cannot be trained through.
 */
export function stepGraph(request: StepRequest): StepPart {
  const forward = addForward(request);
  const state = addUpdate(forward.graph, request, forward.weights, forward.statistics);
  addLoss(forward.graph, forward.loss);
  return { graph: prune(forward.graph), image: forward.image, state };
}

/**
 * A training step in two graphs, so that gradients can be added up in between. `gradients` takes image,
 * label, weights and running statistics, and gives `loss`, the gradients and the statistics. `update` takes
 * gradients (`NAME.gradient`), `learningRate`, weights and the optimizer's state, and gives `gradNorm` and
 * their next values. With float16, both take `lossScale`.
 */
export function splitStepGraphs(request: StepRequest): {
  readonly gradients: StepPart & { readonly outputs: readonly { weight: string; output: string }[] };
  readonly update: StepPart;
} {
  const { graph, image, loss, weights, statistics } = addForward(request);
  const ops = new Ops(graph);
  const outputs = weights.map(({ name, dims, gradient }) => {
    const output = ops.node('Identity', [gradient], {}, gradientName(name));
    graph.addOutput(output, 'float32', dims);
    return { weight: name, output };
  });
  addLoss(graph, loss);
  const state = weights.map(
    ({ name, dims, initial }): StateEntry => ({ name, kind: 'weight', dims, next: '', initial }),
  );

  const update = new Graph({ name: 'update', opset: graph.opset });
  const received = weights.map((weight) => ({
    ...weight,
    name: update.addInput(weight.name, 'float32', weight.dims),
    gradient: update.addInput(gradientName(weight.name), 'float32', weight.dims),
  }));
  const updated = addUpdate(update, request, received, []);
  return {
    gradients: { graph: prune(graph), image, state: [...state, ...statistics], outputs },
    update: { graph: prune(update), state: updated },
  };
}

/** The name of a weight's gradient: an output of the gradient graph and an input of the update graph. */
export function gradientName(weight: string): string {
  return `${weight}.gradient`;
}

/** A weight of the model, and the name of its gradient. */
interface Weight {
  readonly name: string;
  readonly dims: readonly number[];
  readonly initial: Tensor;
  readonly gradient: string;
}

/** Adds forward pass, loss and backward pass, and the next values of running statistics. */
function addForward(request: StepRequest): {
  readonly graph: Graph;
  readonly image: string;
  /** The name of the loss, which is not an output yet. */
  readonly loss: string;
  /**
   * Those nearest to the input first. ONNX Runtime computes first what comes last in a graph, so the
   * gradients that are ready first are used first, and fewer values have to be kept.
   */
  readonly weights: Weight[];
  readonly statistics: StateEntry[];
} {
  const { model, inputDims, loss, labelChannels = 1, precision } = request;
  const [input, ...others] = model.inputs;
  if (!input || others.length > 0 || model.outputs.length !== 1) {
    throw new ModelError(
      `The model ${model.name} has ${model.inputs.length} inputs and ${model.outputs.length} outputs, but ` +
        'a model to train must have one of each.',
    );
  }
  if (model.metadata[runningInstanceKey]) {
    throw new ModelError(
      `The model ${model.name} has instance normalizations with track_running_stats, which cannot be ` +
        'trained. Build it without that parameter.',
    );
  }
  const graph = bindSizes(model, { [input.name]: inputDims });
  const names = trainableWeights(graph);
  if (names.length === 0) throw new ModelError(`The model ${model.name} has no weights to train.`);
  const cancelled = cancelledBiases(graph);
  const half = precision === 'float16';
  const shapes = inferShapes(graph, { [input.name]: inputDims });
  const running = useBatchStatistics(graph, shapes);
  const ops = new Ops(graph);
  const statistics = running.map(({ name, next }): StateEntry => {
    const initial = graph.initializers.get(name) as Tensor;
    const kept = half ? ops.where(finiteOf(ops, next), next, name) : next;
    return { name, kind: 'statistic', dims: initial.dims, next: kept, initial };
  });
  const initial = new Map(
    [...names, ...running.map(({ name }) => name)].map((name) => [
      name,
      graph.initializers.get(name) as Tensor,
    ]),
  );
  for (const [name, { dims }] of initial) {
    graph.initializers.delete(name);
    graph.inputs.push({ name, type: 'float32', dims });
  }

  const [{ name: logits }] = graph.outputs;
  const logitDims = shapes.get(logits);
  if (!logitDims)
    throw new ModelError(`The size of the output ${logits} of the model ${model.name} is unknown.`);
  const labelDims = [inputDims[0], labelChannels, ...logitDims.slice(2)];
  const label = graph.addInput(stepNames.label, 'uint8', labelDims);
  const computed = loss.build(ops, { logits, logitDims, label, labelDims });
  graph.outputs = [];
  if (request.keepLogits) {
    graph.addOutput(ops.node('Identity', [logits], {}, stepNames.logits), 'float32', logitDims);
  }
  for (const { next, dims } of statistics) graph.addOutput(next, 'float32', dims);

  const dims = Object.fromEntries([...initial].map(([name, value]) => [name, value.dims]));
  const wanted = names.filter((name) => !cancelled.has(name));
  const gradients = addGradients(graph, {
    inputDims: { [input.name]: inputDims, [label]: labelDims, ...dims },
    from: { [computed]: half ? graph.addInput(stepNames.lossScale, 'float32', []) : ops.scalar(1) },
    to: wanted,
    keepConvs: true,
  });
  const kept = [...graph.outputs];
  for (const name of [computed, ...gradients.values()]) graph.addOutput(name, 'float32', []);
  const lowered = lower(graph, request.block);
  lowered.outputs = kept;
  if (half) halfCompute(lowered);
  const weights = names.map((name): Weight => {
    const value = initial.get(name) as Tensor;
    const gradient =
      gradients.get(name) ??
      lowered.addConstant('zeros', floats(value.dims, new Float32Array(sizeOf(value.dims))));
    return { name, dims: value.dims, initial: value, gradient };
  });
  return { graph: lowered, image: input.name, loss: computed, weights, statistics };
}

/**
 * Makes the loss an output. It comes last, so that ONNX Runtime computes it first, and does not keep values
 * for it during the backward pass. The Reshape changes nothing: an Identity would be removed, and then the
 * loss would not come last.
 */
function addLoss(graph: Graph, loss: string): void {
  const ops = new Ops(graph);
  graph.addOutput(ops.node('Reshape', [loss, ops.ints([])], {}, stepNames.loss), 'float32', []);
}

/** Expresses convolutions and their gradients in the form that is fastest on the device. */
function lower(graph: Graph, block = 1): Graph {
  const inputDims = Object.fromEntries(graph.inputs.map(({ name, dims }) => [name, dims as number[]]));
  const shapes = inferShapes(graph, inputDims);
  if (block === 1) {
    lowerConvolutions(graph, shapes);
    return graph;
  }
  // The phases of few channels fill blocks together.
  const isNarrow = ({ op, outputs }: GraphNode) =>
    op === 'ConvTranspose' && (shapes.get(outputs[0])?.[1] ?? 0) % block !== 0;
  lowerConvolutions(graph, shapes, block, isNarrow);
  const blocked = blockStep(graph, inferShapes(graph, inputDims), block);
  lowerConvolutions(blocked, shapes, block);
  return lowerLogSumExp(blocked);
}

/** Adds clipping and the optimizer's update. */
function addUpdate(
  graph: Graph,
  { optimizer, clip, precision }: StepRequest,
  scaledWeights: readonly Weight[],
  statistics: readonly StateEntry[],
): StateEntry[] {
  const ops = new Ops(graph);
  const learningRate = graph.addInput(stepNames.learningRate, 'float32', []);
  const done = graph.addInput(stepCounter, 'float32', []);
  const half = precision === 'float16';
  let weights = scaledWeights;
  if (half) {
    const known = graph.inputs.some(({ name }) => name === stepNames.lossScale);
    const scale = known ? stepNames.lossScale : graph.addInput(stepNames.lossScale, 'float32', []);
    const share = ops.node('Reciprocal', [scale]);
    weights = scaledWeights.map((weight) => ({ ...weight, gradient: ops.mul(weight.gradient, share) }));
  }
  const squares = weights.map(({ gradient }) => ops.node('ReduceSumSquare', [gradient], { keepdims: 0 }));
  const norm = ops.node('Sqrt', [ops.node('Sum', squares)], {}, stepNames.gradNorm);
  graph.addOutput(norm, 'float32', []);
  /** The next value, or the one before the step if gradients are not finite. */
  const finite = half ? finiteOf(ops, norm) : undefined;
  const kept = (next: string, before: string) => (finite ? ops.where(finite, next, before) : next);
  const step = ops.shift(done, 1);
  const state: StateEntry[] = [
    ...statistics,
    { name: stepCounter, kind: 'step', dims: [], next: kept(step, done), initial: floats([], [0]) },
  ];
  graph.addOutput(state[state.length - 1].next, 'float32', []);
  // PyTorch's clip_grad_norm_: max / (norm + 1e-6), at most 1.
  const share =
    clip?.norm !== undefined
      ? ops.node('Min', [ops.scalar(1), ops.div(ops.scalar(clip.norm), ops.shift(norm, 1e-6))])
      : undefined;
  const update = optimizer.start(ops, { learningRate, step });
  for (const { name, dims, initial, gradient } of weights) {
    const slots = optimizer.slots.map((slot) => {
      const slotDims = slot.scalar ? [] : dims;
      const slotName = graph.addInput(`optimizer.${slot.name}.${name}`, 'float32', slotDims);
      return { name: slotName, dims: slotDims };
    });
    let clipped = gradient;
    if (clip?.value !== undefined) {
      clipped = ops.node('Clip', [clipped, ops.scalar(-clip.value), ops.scalar(clip.value)]);
    }
    if (share) clipped = ops.mul(clipped, share);
    const updated = update({ weight: name, gradient: clipped, slots: slots.map((slot) => slot.name) });
    const entries: StateEntry[] = [
      { name, kind: 'weight', dims, next: kept(updated.weight, name), initial },
      ...slots.map(
        (slot, i): StateEntry => ({
          ...slot,
          kind: 'slot',
          next: kept(updated.slots[i], slot.name),
          initial: floats(slot.dims, new Float32Array(sizeOf(slot.dims))),
        }),
      ),
    ];
    for (const entry of entries) graph.addOutput(entry.next, 'float32', entry.dims);
    state.push(...entries);
  }
  return state;
}

/** True where numbers are finite. Comparisons with NaN are false. */
function finiteOf(ops: Ops, value: string): string {
  return ops.greater(ops.scalar(3e38), ops.node('Abs', [value]));
}
