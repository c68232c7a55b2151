import { ModelError, OptionError, show } from '../errors.js';
import { processors } from '../machine.js';
import { channelBlock } from '../onnx/blockSize.js';
import type { Graph } from '../onnx/graph.js';
import { writeModel } from '../onnx/modelFile.js';
import { permuteAxes } from '../onnx/passes/permuteAxes.js';
import { floats, sizeOf } from '../onnx/tensor.js';
import type { Loss } from '../onnx/training/loss.js';
import type { Optimizer } from '../onnx/training/optimizer.js';
import type { Clip, Precision, StateEntry, StepRequest } from '../onnx/training/stepGraph.js';
import { AskThread } from '../runtime/askThread.js';
import { parseDevice, providerConfig } from '../runtime/device.js';
import { allocate, type Vec3 } from '../volume/volume.js';
import type { ModelAxes } from '../volume/windows.js';
import { LossScale, lossScaleName } from './lossScale.js';
import { planInOne, planInTwo, type StepPlan } from './stepPlan.js';
import type { SharedMemory, TrainerReply, TrainerRequest, TrainerSetup } from './trainerMessages.js';
import { checkState, type TrainingState } from './trainingState.js';

/** What a trainer is made of. */
export interface TrainerOptions {
  /** The model with its initial weights; see `networkToTrain` and `modelToTrain`. */
  readonly model: Graph;
  /** The order in which the model reads its axes. */
  readonly axes: ModelAxes;
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  /** Limits of the gradients. Default: none. */
  readonly clip?: Clip;
  /** Size of the images of a batch in voxels, x first. All batches have it. */
  readonly patch: Vec3;
  /** Images per batch, for all replicas together. */
  readonly batchSize: number;
  /** Channels of the label. Default: 1, class numbers. */
  readonly labelChannels?: number;
  /**
   * Where to train; see `parseDevice`. Several devices (`cuda:0,1`, `cpu:2`) are replicas: each takes an
   * equal share of every batch, and the mean of their gradients is applied. Default: `cpu`, one session with
   * all processors.
   */
  readonly device?: string;
  /**
   * Divides each replica's share into this many batches, whose gradients are added up before the update.
   * Needs less memory and more time. Default: 1.
   */
  readonly accumulate?: number;
  /**
   * `float16` computes convolutions with half the bits, on `webgpu` and `cuda`; see `StepRequest`. The scale
   * of the loss follows PyTorch's GradScaler: it starts at 65536, a step whose gradients are not finite
   * halves it (and changes nothing else), and 2000 steps in a row with finite gradients double it. Default:
   * `float32`.
   */
  readonly precision?: Precision;
  /** Whether steps give the model's output, which is copied from the device. Default: false. */
  readonly keepLogits?: boolean;
}

/** A batch. The arrays may be reused when the step is done. */
export interface TrainingBatch {
  /** [N, C, Z, Y, X] (x fastest) if the trainer's axes are `zyx`, [N, C, X, Y, Z] if they are `xyz`. */
  readonly image: Float32Array;
  /** [N, labelChannels, ...] in the same order: class numbers from 0 to 255, or masks. */
  readonly label: Float32Array | Uint8Array;
}

/** The numbers that a step gives. */
export interface StepResult {
  /** Loss before the step: the mean over replicas and accumulated batches. */
  readonly loss: number;
  /** The Euclidean norm of all gradients, before clipping. Not finite if float16 gradients overflowed. */
  readonly gradNorm: number;
  /**
   * With `keepLogits`: the model's output before the step, [N, C, ...] in the order of the trainer's axes.
   * The next step writes over it.
   */
  readonly logits?: Float32Array;
}

/** A model in training. */
export interface Trainer {
  /** The order of axes that batches must have, and that the trained model reads. */
  readonly axes: ModelAxes;
  readonly replicas: number;
  /**
   * Does one step; a second call waits for the first. Throws ModelError if a batch has the wrong size or the
   * device fails; the state is then as it was.
   */
  step(batch: TrainingBatch, settings: { readonly learningRate: number }): Promise<StepResult>;
  /** A copy of the state. Training continues from it with bit-identical results. */
  state(): Promise<TrainingState>;
  /** Sets the state. Throws ModelError naming every tensor that is missing, unexpected or of another size. */
  restore(state: TrainingState): Promise<void>;
  /** The model with its current weights as an ONNX file, which normalizes by running statistics. */
  inferenceModel(): Promise<Uint8Array>;
  /** Ends the threads. */
  close(): Promise<void>;
}

type Thread = AskThread<TrainerRequest, TrainerReply>;

/**
 * Prepares the training of a model, in one thread per device.
 *
 * If the model's operators allow it (see `permuteAxes`), a model that reads `xyz` is rewritten to read `zyx`,
 * so that patches of volumes, x fastest, are batches without reordering. The trainer's `axes` say which one
 * it is.
 *
 * With several replicas, each replica computes the loss of its own share of the batch, and batch
 * normalizations take the statistics of the share, as in PyTorch's DistributedDataParallel. The running
 * statistics are those of the first replica. The same holds for accumulated batches, each of which updates
 * the running statistics in turn.
 *
 * @throws OptionError for an unknown device, or a batch that cannot be divided equally. ModelError if the
 * model cannot be trained, or the device refuses it.
 */
export async function createTrainer(options: TrainerOptions): Promise<Trainer> {
  const layout = layoutOf(options);
  const { imageDims, model, provider, shares } = layout;
  const block = provider === 'cpu' ? await channelBlock() : 1;
  const request: StepRequest = { ...options, model, inputDims: imageDims, block };
  const plan = shares > 1 ? planInTwo(request) : planInOne(request);
  const shared = shareMemory(layout, plan);
  const threads = await startThreads(layout, plan, shared);
  return new ThreadedTrainer(layout, plan, shared, threads);
}

/** How a batch is divided among devices, and the model that they train. */
interface Layout {
  readonly model: Graph;
  readonly axes: ModelAxes;
  readonly device: string;
  readonly provider: string;
  /** The number of each replica's device. */
  readonly numbers: readonly number[];
  readonly accumulate: number;
  /** Batches that the gradients of one step come from. */
  readonly shares: number;
  readonly batchSize: number;
  readonly patch: Vec3;
  readonly precision: Precision;
  /** Sizes of one share. */
  readonly imageDims: readonly number[];
  readonly labelDims: readonly number[];
  /** Where the output is wanted. */
  readonly logitDims?: readonly number[];
}

function layoutOf({
  accumulate = 1,
  batchSize,
  device = 'cpu',
  labelChannels = 1,
  patch,
  precision = 'float32',
  ...options
}: TrainerOptions): Layout {
  const { provider, numbers } = parseDevice(device);
  const shares = numbers.length * accumulate;
  if (batchSize % shares !== 0) {
    throw new OptionError(
      `A batch of ${batchSize} cannot be divided equally among ${numbers.length} device(s) in ` +
        `${accumulate} part(s) each. Its size must be a multiple of ${shares}.`,
    );
  }
  if (precision === 'float16' && provider === 'cpu') {
    throw new OptionError('The precision is "float16", but CPUs compute in float32. Use float32.');
  }
  const model = options.axes === 'xyz' ? permuteAxes(options.model) : options.model;
  const axes = model === options.model ? options.axes : 'zyx';
  const channels = model.inputs[0]?.dims[1];
  if (typeof channels !== 'number') {
    throw new ModelError(`The input of the model ${model.name} must declare its number of channels.`);
  }
  const sizes = axes === 'zyx' ? [...patch].reverse() : [...patch];
  return {
    model,
    axes,
    device,
    provider,
    numbers,
    accumulate,
    shares,
    batchSize,
    patch,
    precision,
    imageDims: [batchSize / shares, channels, ...sizes],
    labelDims: [batchSize / shares, labelChannels, ...sizes],
    ...(options.keepLogits && {
      logitDims: [batchSize / shares, Number(model.outputs[0].dims[1]), ...sizes],
    }),
  };
}

function shareMemory(
  { shares, numbers, imageDims, labelDims, logitDims }: Layout,
  { places }: StepPlan,
): SharedMemory {
  const gradientCount = places.reduce((sum, { length }) => sum + length, 0);
  return {
    images: allocate('float32', shares * sizeOf(imageDims)),
    labels: allocate('uint8', shares * sizeOf(labelDims)),
    ...(logitDims && { logits: allocate('float32', shares * sizeOf(logitDims)) }),
    ...(shares > 1 && { gradients: allocate('float32', numbers.length * gradientCount) }),
    ...(numbers.length > 1 && { weights: allocate('float32', gradientCount) }),
  };
}

/** Starts a thread per replica, and waits until their sessions are ready. */
async function startThreads(
  layout: Layout,
  { parts, places, state }: StepPlan,
  shared: SharedMemory,
): Promise<readonly Thread[]> {
  const { model, device, provider, numbers, accumulate, imageDims, labelDims, logitDims } = layout;
  const replicas = numbers.length;
  // What TensorRT does not support runs on CUDA.
  const providers = provider === 'tensorrt' ? ['tensorrt', 'cuda'] : [provider];
  const setup = (replica: number): TrainerSetup => ({
    providers: providers.map((name) => providerConfig(name, numbers[replica])),
    threads: provider === 'cpu' ? Math.max(1, Math.floor(processors / replicas)) : 1,
    replica,
    replicas,
    accumulate,
    imageDims,
    labelDims,
    ...(logitDims && { logitDims }),
    ...parts,
    places,
    shared,
    // Only the first replica updates.
    state: new Map(
      [...state]
        .filter(([, entry]) => replica === 0 || isOfModel(entry))
        .map(([name, { dims, initial }]) => [name, { dims, data: initial.data as Float32Array }]),
    ),
  });
  const fault = (error: Error) =>
    new ModelError(
      `Training ${model.name} on ${device} failed: ${error.message.trim().replace(/\.$/, '')}.`,
      { cause: error },
    );
  const url = new URL('./trainerWorker.js', import.meta.url);
  const threads: Thread[] = [];
  try {
    for (let replica = 0; replica < replicas; replica++) {
      threads.push(new AskThread(url, setup(replica), () => `the training of ${model.name}`, fault));
    }
    await Promise.all(threads.map((thread) => thread.ready));
  } catch (error) {
    await Promise.all(threads.map((thread) => thread.close()));
    throw error;
  }
  return threads;
}

/** Weights and running statistics, which every replica has. */
function isOfModel({ kind }: StateEntry): boolean {
  return kind === 'weight' || kind === 'statistic';
}

/** A trainer on threads. Calls wait for those before them. */
class ThreadedTrainer implements Trainer {
  readonly #scale: LossScale | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    readonly layout: Layout,
    readonly plan: StepPlan,
    readonly shared: SharedMemory,
    readonly threads: readonly Thread[],
  ) {
    this.#scale = layout.precision === 'float16' ? new LossScale() : undefined;
  }

  get axes(): ModelAxes {
    return this.layout.axes;
  }

  get replicas(): number {
    return this.threads.length;
  }

  step(batch: TrainingBatch, { learningRate }: { readonly learningRate: number }): Promise<StepResult> {
    return this.#inTurn(() => this.#step(batch, learningRate));
  }

  state(): Promise<TrainingState> {
    return this.#inTurn(() => this.#readState());
  }

  restore(state: TrainingState): Promise<void> {
    return this.#inTurn(() => this.#restore(state));
  }

  inferenceModel(): Promise<Uint8Array> {
    return this.#inTurn(async () => {
      const trained = this.layout.model.clone();
      for (const [name, value] of await this.#readState()) {
        if (trained.initializers.has(name)) trained.initializers.set(name, value);
      }
      return writeModel(trained);
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.close()));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  async #step(batch: TrainingBatch, learningRate: number): Promise<StepResult> {
    this.#fill('image', batch.image, this.shared.images);
    this.#fill('label', batch.label, this.shared.labels);
    const scalars = { learningRate, lossScale: this.#scale?.value ?? 1 };
    const result =
      this.layout.shares === 1
        ? doneOf(await this.threads[0].ask({ kind: 'step', ...scalars }))
        : await this.#stepInTwo(scalars);
    this.#scale?.learn(Number.isFinite(result.gradNorm));
    return { ...result, ...(this.shared.logits && { logits: this.shared.logits }) };
  }

  #fill(what: string, given: Float32Array | Uint8Array, into: Float32Array | Uint8Array): void {
    if (given.length !== into.length) {
      const { batchSize, patch } = this.layout;
      throw new ModelError(
        `The ${what} of a batch has ${given.length} values, but ${batchSize} patches of ${show(patch)} ` +
          `voxels have ${into.length}.`,
      );
    }
    into.set(given);
  }

  /** Gradients on all replicas, their mean, the update on the first one, and its weights to the others. */
  async #stepInTwo(scalars: { readonly learningRate: number; readonly lossScale: number }) {
    const [first, ...others] = this.threads;
    const replies = await this.#askAll({ kind: 'gradients', lossScale: scalars.lossScale });
    const loss = replies.reduce((sum, reply) => sum + doneOf(reply).loss, 0) / this.layout.shares;
    await this.#askAll({ kind: 'average' });
    const { gradNorm } = doneOf(await first.ask({ kind: 'update', ...scalars }));
    await Promise.all(others.map((thread) => thread.ask({ kind: 'pull' })));
    return { loss, gradNorm };
  }

  #askAll(request: TrainerRequest) {
    return Promise.all(this.threads.map((thread) => thread.ask(request)));
  }

  async #readState(): Promise<TrainingState> {
    const reply = await this.threads[0].ask({ kind: 'state' });
    if (reply.kind !== 'state') throw new Error(`The trainer answered "${reply.kind}" instead of "state".`);
    const scale = this.#scale;
    return new Map([
      ...[...reply.tensors].map(
        ([name, data]) => [name, floats(this.plan.state.get(name)?.dims ?? [], data)] as const,
      ),
      ...(scale ? [[lossScaleName, floats([2], [scale.value, scale.good])] as const] : []),
    ]);
  }

  async #restore(given: TrainingState): Promise<void> {
    const { state } = this.plan;
    const expected = new Map([...state].map(([name, { dims }]) => [name, dims]));
    // A training can change between float16, which has a loss scale, and float32.
    if (given.has(lossScaleName)) expected.set(lossScaleName, [2]);
    checkState(given, expected);
    const tensors = new Map([...given].map(([name, { data }]) => [name, data as Float32Array]));
    const scaled = tensors.get(lossScaleName);
    tensors.delete(lossScaleName);
    if (scaled) this.#scale?.restore(scaled[0], scaled[1]);
    const ofModel = new Map([...tensors].filter(([name]) => isOfModel(state.get(name) as StateEntry)));
    const [first, ...others] = this.threads;
    await first.ask({ kind: 'restore', tensors });
    await Promise.all(others.map((thread) => thread.ask({ kind: 'restore', tensors: ofModel })));
  }
}

/** The numbers of an answer. */
function doneOf(reply: Awaited<ReturnType<Thread['ask']>>): StepResult {
  if (reply.kind !== 'done') throw new Error(`The trainer answered "${reply.kind}" instead of "done".`);
  return { loss: reply.loss, gradNorm: reply.gradNorm };
}
