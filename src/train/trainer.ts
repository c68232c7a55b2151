import { listNames, ModelError, OptionError, show } from '../errors.js';
import { processors } from '../machine.js';
import { channelBlock } from '../onnx/blockSize.js';
import type { Graph } from '../onnx/graph.js';
import { writeModel } from '../onnx/modelFile.js';
import { permuteAxes } from '../onnx/passes/permuteAxes.js';
import { floats, sizeOf, type Tensor } from '../onnx/tensor.js';
import type { Loss } from '../onnx/training/loss.js';
import type { Optimizer } from '../onnx/training/optimizer.js';
import {
  type Clip,
  gradientName,
  type Precision,
  type StateEntry,
  type StepPart,
  type StepRequest,
  splitStepGraphs,
  stepGraph,
} from '../onnx/training/stepGraph.js';
import { AskThread } from '../runtime/askThread.js';
import { parseDevice, providerConfig } from '../runtime/device.js';
import { allocate, type Vec3 } from '../volume/volume.js';
import type { ModelAxes } from '../volume/windows.js';
import type {
  GradientPlace,
  PartSetup,
  StateSlot,
  TrainerReply,
  TrainerRequest,
  TrainerSetup,
} from './trainerWorker.js';

/** What a trainer is made of. */
export interface TrainerOptions {
  /** The model, with its weights at the start; see `networkToTrain` and `modelToTrain`. */
  readonly model: Graph;
  /** The order in which it reads its axes. */
  readonly axes: ModelAxes;
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  /** Default: gradients as they are. */
  readonly clip?: Clip;
  /** Size of the images of a batch in voxels, x first; it stays the same. */
  readonly patch: Vec3;
  /** Images in a batch, of all replicas together. */
  readonly batchSize: number;
  /** Channels of the label. Default: 1, class numbers. */
  readonly labelChannels?: number;
  /**
   * Where to train; see `parseDevice`. Several (`cuda:0,1`, `cpu:2`) are replicas: each takes an equal share of every batch,
   * and the gradients' mean is applied. Default: `cpu`, one session with all processors.
   */
  readonly device?: string;
  /**
   * Into how many batches each replica's share is cut, whose gradients are summed up before the update: less memory, more
   * time. Default: 1.
   */
  readonly accumulate?: number;
  /**
   * `float16` computes convolutions with half the bits, for `webgpu` and `cuda`; see `StepRequest`. The scale of the loss is
   * found as PyTorch's GradScaler finds it: from 65536 on, halved by each step whose gradients are not finite (which changes
   * nothing else), doubled after 2000 good ones. Default: `float32`.
   */
  readonly precision?: Precision;
}

/** A batch. The arrays may be used anew once the step is done. */
export interface TrainingBatch {
  /** [N, C, Z, Y, X] (x fastest) where the trainer's axes are `zyx`, [N, C, X, Y, Z] where they are `xyz`. */
  readonly image: Float32Array;
  /** [N, labelChannels, ...] in the same order: class numbers from 0 to 255, or masks. */
  readonly label: Float32Array | Uint8Array;
}

/** What a step tells. */
export interface StepResult {
  /** Of the weights before the step: the mean over replicas and accumulated batches. */
  readonly loss: number;
  /** The Euclidean norm of all gradients, before they are clipped. With float16 it is not finite when the step was left out. */
  readonly gradNorm: number;
}

/** All that changes in training, by name: weights, running statistics, the optimizer's state and its count of steps. */
export type TrainingState = ReadonlyMap<string, Tensor>;

/** A model in training. */
export interface Trainer {
  /** The order of axes that batches must have, and that the trained model reads. */
  readonly axes: ModelAxes;
  readonly replicas: number;
  /**
   * One step; a second one waits for the first. Throws ModelError when a batch has the wrong size or the device fails, after
   * which the state is as it was.
   */
  step(batch: TrainingBatch, settings: { readonly learningRate: number }): Promise<StepResult>;
  /** A copy of the state; from it, training goes on to the bit as it would have. */
  state(): Promise<TrainingState>;
  /** Sets the state. Throws ModelError naming every tensor that is missing, unexpected or of another size. */
  restore(state: TrainingState): Promise<void>;
  /** The model with its present weights as an ONNX file, normalizing by running statistics. */
  inferenceModel(): Promise<Uint8Array>;
  /** Ends the threads. */
  close(): Promise<void>;
}

type Thread = AskThread<TrainerRequest, TrainerReply>;

/**
 * Prepares the training of a model, in one thread per device.
 *
 * Where the model's operators allow it (see `permuteAxes`), a model that reads `xyz` is turned into one that reads `zyx`, so
 * that patches of volumes, x fastest, are batches as they are; `axes` of the trainer says what it became.
 *
 * With several replicas the loss is each replica's own over its share of the batch, and batch normalizations take the
 * statistics of the share, as in PyTorch's DistributedDataParallel; the running statistics are those of the first replica. The
 * same holds for accumulated batches, whose running statistics are updated by each in turn.
 *
 * @throws OptionError for a device that there is not, or a batch that cannot be shared equally. ModelError when the model cannot be
 * trained, or the device refuses it.
 */
export async function createTrainer(options: TrainerOptions): Promise<Trainer> {
  const { batchSize, patch, accumulate = 1, device = 'cpu', labelChannels = 1 } = options;
  const { provider, numbers } = parseDevice(device);
  const replicas = numbers.length;
  const shares = replicas * accumulate;
  if (batchSize % shares !== 0) {
    throw new OptionError(
      `A batch of ${batchSize} cannot be shared equally by ${replicas} device(s) in ${accumulate} part(s) each: its size must ` +
        `be a multiple of ${shares}.`,
    );
  }
  const reversed = options.axes === 'xyz' ? permuteAxes(options.model) : options.model;
  const axes: ModelAxes = reversed === options.model ? options.axes : 'zyx';
  const model = reversed;
  if (options.precision === 'float16' && provider === 'cpu') {
    throw new OptionError('The precision is "float16", but CPUs compute in float32; use float32.');
  }
  const scale = options.precision === 'float16' ? new LossScale() : undefined;
  const channels = model.inputs[0]?.dims[1];
  if (typeof channels !== 'number') {
    throw new ModelError(`The input of the model ${model.name} must declare its number of channels.`);
  }
  const sizes = axes === 'zyx' ? [...patch].reverse() : [...patch];
  const imageDims = [batchSize / shares, channels, ...sizes];
  const labelDims = [batchSize / shares, labelChannels, ...sizes];
  const block = provider === 'cpu' ? await channelBlock() : 1;
  const request: StepRequest = { ...options, model, inputDims: imageDims, labelChannels, block };
  const { parts, state, places } = shares > 1 ? inTwo(request) : inOne(request);
  const gradientCount = places.reduce((sum, { length }) => sum + length, 0);
  const shared = {
    images: allocate('float32', shares * sizeOf(imageDims)),
    labels: allocate('uint8', shares * sizeOf(labelDims)),
    ...(shares > 1 && { gradients: allocate('float32', replicas * gradientCount) }),
    ...(replicas > 1 && { weights: allocate('float32', gradientCount) }),
  };
  const providers = provider === 'tensorrt' ? ['tensorrt', 'cuda'] : [provider];
  const threads: Thread[] = [];
  const setup = (replica: number): TrainerSetup => ({
    providers: providers.map((name) => providerConfig(name, numbers[replica])),
    threads: provider === 'cpu' ? Math.max(1, Math.floor(processors / replicas)) : 1,
    replica,
    replicas,
    accumulate,
    imageDims,
    labelDims,
    ...parts,
    places,
    shared,
    // Only the first replica updates.
    state: new Map(
      [...state]
        .filter(([, { kind }]) => replica === 0 || kind === 'weight' || kind === 'statistic')
        .map(([name, { dims, initial }]) => [name, { dims, data: initial.data as Float32Array }]),
    ),
  });
  const fault = (error: Error) =>
    new ModelError(
      `Training ${model.name} on ${device} failed: ${error.message.trim().replace(/\.$/, '')}.`,
      { cause: error },
    );
  try {
    for (let replica = 0; replica < replicas; replica++) {
      const url = new URL('./trainerWorker.js', import.meta.url);
      threads.push(new AskThread(url, setup(replica), `the training of ${model.name}`, fault));
    }
    await Promise.all(threads.map((thread) => thread.ready));
  } catch (error) {
    await Promise.all(threads.map((thread) => thread.close()));
    throw error;
  }

  const askAll = (request: TrainerRequest) => Promise.all(threads.map((thread) => thread.ask(request)));
  const losses = (replies: readonly TrainerReply[]) =>
    replies.reduce((sum, reply) => sum + (reply.kind === 'done' ? reply.loss : 0), 0) / shares;
  const gradNorm = (reply: TrainerReply) => (reply.kind === 'done' ? reply.gradNorm : 0);
  const step = async ({ image, label }: TrainingBatch, learningRate: number): Promise<StepResult> => {
    for (const [what, given, into] of [
      ['image', image, shared.images],
      ['label', label, shared.labels],
    ] as const) {
      if (given.length !== into.length) {
        throw new ModelError(
          `The ${what} of a batch has ${given.length} values, but ${batchSize} patches of ${show(patch)} voxels have ${into.length}.`,
        );
      }
      into.set(given);
    }
    const lossScale = scale?.value ?? 1;
    let loss: number;
    let last: TrainerReply;
    if (shares === 1) {
      last = await threads[0].ask({ kind: 'step', learningRate, lossScale });
      loss = losses([last]);
    } else {
      loss = losses(await askAll({ kind: 'gradients', lossScale }));
      await askAll({ kind: 'average' });
      last = await threads[0].ask({ kind: 'update', learningRate, lossScale });
      await Promise.all(threads.slice(1).map((thread) => thread.ask({ kind: 'pull' })));
    }
    scale?.learn(Number.isFinite(gradNorm(last)));
    return { loss, gradNorm: gradNorm(last) };
  };
  const stateNow = async (): Promise<TrainingState> => {
    const reply = await threads[0].ask({ kind: 'state' });
    if (reply.kind !== 'state') throw new Error(`The trainer answered "${reply.kind}" instead of "state".`);
    return new Map([
      ...[...reply.tensors].map(
        ([name, data]) => [name, floats((state.get(name) as StateEntry).dims, data)] as const,
      ),
      ...(scale ? [[scaleName, floats([2], [scale.value, scale.good])] as const] : []),
    ]);
  };
  let last: Promise<unknown> = Promise.resolve();
  /** Waits for what was asked before. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  };
  return {
    axes,
    replicas,
    step: (batch, { learningRate }) => inTurn(() => step(batch, learningRate)),
    state: () => inTurn(stateNow),
    restore: (given) =>
      inTurn(async () => {
        checkState(
          given,
          new Map([
            ...[...state].map(([name, { dims }]) => [name, dims] as const),
            // Absent where the training ran in float32 so far.
            ...(given.has(scaleName) ? [[scaleName, [2]] as const] : []),
          ]),
        );
        const tensors = new Map([...given].map(([name, { data }]) => [name, data as Float32Array]));
        const scaled = tensors.get(scaleName);
        tensors.delete(scaleName);
        if (scaled) scale?.restore(scaled[0], scaled[1]);
        await threads[0].ask({ kind: 'restore', tensors });
        const known = (name: string) => /^(weight|statistic)$/.test((state.get(name) as StateEntry).kind);
        const others = new Map([...tensors].filter(([name]) => known(name)));
        await Promise.all(threads.slice(1).map((thread) => thread.ask({ kind: 'restore', tensors: others })));
      }),
    inferenceModel: () =>
      inTurn(async () => {
        const trained = model.clone();
        for (const [name, value] of await stateNow()) {
          if (trained.initializers.has(name)) trained.initializers.set(name, value);
        }
        return writeModel(trained);
      }),
    async close() {
      await Promise.all(threads.map((thread) => thread.close()));
    },
  };
}

/** The state's tensor of the loss scale, and of the good steps since it changed. */
const scaleName = 'optimizer.lossScale';

/** PyTorch's `GradScaler`, by its defaults. */
class LossScale {
  value = 65536;
  /** Steps since it changed. */
  good = 0;

  /** Learns whether a step's gradients were finite. */
  learn(finite: boolean): void {
    this.good = finite ? this.good + 1 : 0;
    if (!finite) this.value /= 2;
    else if (this.good === 2000) this.restore(2 * this.value, 0);
  }

  restore(value: number, good: number): void {
    this.value = value;
    this.good = good;
  }
}

/** The graphs of a step, the state by name, and where gradients lie. */
interface Plan {
  readonly parts: Pick<TrainerSetup, 'step' | 'gradients' | 'update'>;
  readonly state: ReadonlyMap<string, StateEntry>;
  readonly places: readonly GradientPlace[];
}

function inOne(request: StepRequest): Plan {
  const part = stepGraph(request);
  const state = new Map(part.state.map((entry) => [entry.name, entry]));
  return { parts: { step: partSetup(part, part.state) }, state, places: [] };
}

function inTwo(request: StepRequest): Plan {
  const { gradients, update } = splitStepGraphs(request);
  const changes = gradients.state.filter(({ kind }) => kind === 'statistic');
  const state = new Map([...gradients.state, ...update.state].map((entry) => [entry.name, entry]));
  let offset = 0;
  const places = gradients.outputs.map(({ weight, output }): GradientPlace => {
    const { dims } = state.get(weight) as StateEntry;
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

function checkState(given: TrainingState, expected: ReadonlyMap<string, readonly number[]>): void {
  const faults: string[] = [];
  for (const [name, dims] of expected) {
    const found = given.get(name);
    if (!found) faults.push(`${name} is missing`);
    else if (found.type !== 'float32' || found.dims.join() !== dims.join()) {
      faults.push(`${name} is ${found.type} ${show(found.dims)}, but must be float32 ${show(dims)}`);
    }
  }
  for (const name of given.keys()) if (!expected.has(name)) faults.push(`${name} is not expected`);
  if (faults.length === 0) return;
  const most = 5;
  const rest = faults.length > most ? [`${faults.length - most} more`] : [];
  throw new ModelError(
    `The training state does not fit the model and the optimizer: ${listNames([...faults.slice(0, most), ...rest])}. It must ` +
      'come from a training of the same network with the same optimizer.',
  );
}
