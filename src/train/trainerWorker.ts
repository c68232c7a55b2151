import { parentPort, workerData } from 'node:worker_threads';
import * as ort from '../onnx/ort.js';
import { stepNames } from '../onnx/training/stepGraph.js';
import type { Failure } from '../runtime/askThread.js';
import { toErrorData } from '../runtime/threadError.js';

/** A tensor of the state, and the output that holds it after a step. */
export interface StateSlot {
  readonly name: string;
  readonly next: string;
  readonly dims: readonly number[];
}

/** A graph of a step. */
export interface PartSetup {
  readonly bytes: Uint8Array;
  /** The state it changes, and what it only reads. */
  readonly changes: readonly StateSlot[];
  readonly reads: readonly string[];
  /** The input for images; undefined for the update alone. */
  readonly image?: string;
}

/** Where a weight's gradient lies among all gradients. */
export interface GradientPlace {
  readonly name: string;
  readonly output: string;
  readonly input: string;
  readonly dims: readonly number[];
  /** In numbers. */
  readonly offset: number;
  readonly length: number;
}

/** Memory that the replicas of a training share. */
export interface SharedMemory {
  /** The whole batch: images, and labels. */
  readonly images: Float32Array;
  readonly labels: Uint8Array;
  /** With split graphs: the gradients of each replica, one after the other; the first place takes their mean. */
  readonly gradients?: Float32Array;
  /** With split graphs: the weights after an update, in the order of the gradients. */
  readonly weights?: Float32Array;
}

/** What a training thread is started with. */
export interface TrainerSetup {
  readonly providers: readonly ort.InferenceSession.ExecutionProviderConfig[];
  readonly threads: number;
  /** Which replica this is; the first one keeps the optimizer's state and the running statistics. */
  readonly replica: number;
  readonly replicas: number;
  /** Batches whose gradients are summed up for one update. */
  readonly accumulate: number;
  /** Sizes of one such batch. */
  readonly imageDims: readonly number[];
  readonly labelDims: readonly number[];
  /** The whole step, or else its two parts. */
  readonly step?: PartSetup;
  readonly gradients?: PartSetup;
  readonly update?: PartSetup;
  readonly places: readonly GradientPlace[];
  readonly shared: SharedMemory;
  readonly state: ReadonlyMap<string, { readonly dims: readonly number[]; readonly data: Float32Array }>;
}

/** Numbers that a step is told; the scale of the loss is used with float16 alone. */
export interface StepScalars {
  readonly learningRate: number;
  readonly lossScale: number;
}

export type TrainerRequest =
  | ({ readonly kind: 'step' } & StepScalars)
  /** Gradients of this replica's part of the batch, summed up. */
  | { readonly kind: 'gradients'; readonly lossScale: number }
  /** The mean of all replicas' gradients, this replica's part of it. */
  | { readonly kind: 'average' }
  | ({ readonly kind: 'update' } & StepScalars)
  /** Take the weights of the last update. */
  | { readonly kind: 'pull' }
  | { readonly kind: 'state' }
  | { readonly kind: 'restore'; readonly tensors: ReadonlyMap<string, Float32Array> };

export type TrainerReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly loss: number; readonly gradNorm: number }
  | { readonly kind: 'state'; readonly tensors: ReadonlyMap<string, Float32Array> }
  | Failure;

/** A tensor of the state: as it is, and where its next value goes; they change places with each step. */
interface Buffers {
  current: ort.Tensor;
  spare: ort.Tensor;
}

/** A session of one part of a step and the tensors that it always takes. */
interface Part {
  readonly session: ort.InferenceSession;
  readonly setup: PartSetup;
  readonly feeds: Record<string, ort.Tensor>;
  readonly fetches: Record<string, ort.Tensor>;
}

const floatTensor = (dims: readonly number[], data = new Float32Array(sizeOf(dims))) =>
  new ort.Tensor('float32', data, dims);
const sizeOf = (dims: readonly number[]) => dims.reduce((product, n) => product * n, 1);
const dataOf = (value: ort.Tensor) => value.data as Float32Array;

class TrainerThread {
  readonly #image: ort.Tensor;
  readonly #label: ort.Tensor;
  readonly #learningRate = floatTensor([]);
  readonly #lossScale = floatTensor([]);
  readonly #loss = floatTensor([]);
  readonly #gradNorm = floatTensor([]);
  readonly #state = new Map<string, Buffers>();
  /** The gradients of one batch, in the order of the places. */
  readonly #gradients: readonly ort.Tensor[];
  readonly #parts = new Map<PartSetup, Part>();

  constructor(readonly setup: TrainerSetup) {
    this.#image = floatTensor(setup.imageDims);
    this.#label = new ort.Tensor('uint8', new Uint8Array(sizeOf(setup.labelDims)), setup.labelDims);
    for (const [name, { dims, data }] of setup.state) {
      this.#state.set(name, { current: floatTensor(dims, data.slice()), spare: floatTensor(dims) });
    }
    this.#gradients = setup.gradients ? setup.places.map(({ dims }) => floatTensor(dims)) : [];
  }

  async open(): Promise<void> {
    const { step, gradients, update, replica } = this.setup;
    if (step) await this.#open(step, { loss: this.#loss, gradNorm: this.#gradNorm });
    if (gradients) {
      const outputs = this.setup.places.map(({ output }, i) => [output, this.#gradients[i]]);
      await this.#open(gradients, { loss: this.#loss, ...Object.fromEntries(outputs) });
    }
    if (update && replica === 0) await this.#open(update, { gradNorm: this.#gradNorm });
  }

  async #open(setup: PartSetup, fetches: Record<string, ort.Tensor>): Promise<void> {
    const session = await ort.InferenceSession.create(setup.bytes, {
      executionProviders: this.setup.providers,
      intraOpNumThreads: this.setup.threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      // Its plan of all memory in one piece takes 1.6 times as much here, and more time.
      enableMemPattern: false,
      logSeverityLevel: 3,
    });
    const feeds: Record<string, ort.Tensor> = {};
    if (setup.image) Object.assign(feeds, { [setup.image]: this.#image, [stepNames.label]: this.#label });
    for (const [name, value] of [
      [stepNames.learningRate, this.#learningRate],
      [stepNames.lossScale, this.#lossScale],
    ] as const) {
      if (session.inputNames.includes(name)) feeds[name] = value;
    }
    if (setup === this.setup.update) {
      for (const [i, { input }] of this.setup.places.entries()) feeds[input] = this.#gradients[i];
    }
    this.#parts.set(setup, { session, setup, feeds, fetches });
  }

  async answer(request: TrainerRequest): Promise<TrainerReply> {
    const { step, update } = this.setup;
    switch (request.kind) {
      case 'step':
        this.#takeBatch(0);
        this.#setScalars(request);
        await this.#run(step as PartSetup);
        return this.#done(dataOf(this.#loss)[0]);
      case 'gradients':
        this.#setScalars({ learningRate: 0, lossScale: request.lossScale });
        return this.#done(await this.#sumGradients());
      case 'average':
        this.#average();
        return this.#done(0);
      case 'update':
        this.#setScalars(request);
        await this.#update(update as PartSetup);
        return this.#done(0);
      case 'pull':
        this.#pull();
        return this.#done(0);
      case 'state':
        return {
          kind: 'state',
          tensors: new Map(
            [...this.#state].map(([name, { current }]) => [name, dataOf(current).slice()] as const),
          ),
        };
      case 'restore':
        for (const [name, data] of request.tensors)
          dataOf((this.#state.get(name) as Buffers).current).set(data);
        return this.#done(0);
    }
  }

  #setScalars({ learningRate, lossScale }: StepScalars): void {
    dataOf(this.#learningRate)[0] = learningRate;
    dataOf(this.#lossScale)[0] = lossScale;
  }

  #done(loss: number): TrainerReply {
    return { kind: 'done', loss, gradNorm: dataOf(this.#gradNorm)[0] };
  }

  /** Copies a batch of this replica out of the shared memory, which ONNX Runtime does not read from. */
  #takeBatch(index: number): void {
    const { replica, accumulate, shared } = this.setup;
    const place = replica * accumulate + index;
    for (const [from, to] of [
      [shared.images, dataOf(this.#image)],
      [shared.labels, this.#label.data as Uint8Array],
    ] as const) {
      to.set(from.subarray(place * to.length, (place + 1) * to.length));
    }
  }

  async #run(setup: PartSetup): Promise<void> {
    const { session, feeds, fetches } = this.#parts.get(setup) as Part;
    for (const name of setup.reads) feeds[name] = (this.#state.get(name) as Buffers).current;
    for (const { name, next } of setup.changes) {
      const buffers = this.#state.get(name) as Buffers;
      feeds[name] = buffers.current;
      fetches[next] = buffers.spare;
    }
    await session.run(feeds, fetches);
    for (const { name } of setup.changes) {
      const buffers = this.#state.get(name) as Buffers;
      [buffers.current, buffers.spare] = [buffers.spare, buffers.current];
    }
  }

  /** Gradients of each of this replica's batches, summed up in its part of the shared memory; the sum of the losses. */
  async #sumGradients(): Promise<number> {
    const { accumulate, gradients, places, replica, replicas, shared } = this.setup;
    const all = shared.gradients as Float32Array;
    const mine = all.subarray((replica * all.length) / replicas, ((replica + 1) * all.length) / replicas);
    let loss = 0;
    for (let index = 0; index < accumulate; index++) {
      this.#takeBatch(index);
      await this.#run(gradients as PartSetup);
      loss += dataOf(this.#loss)[0];
      for (const [i, { offset, length }] of places.entries()) {
        const gradient = dataOf(this.#gradients[i]);
        if (index === 0) mine.set(gradient, offset);
        else for (let at = 0; at < length; at++) mine[offset + at] += gradient[at];
      }
    }
    return loss;
  }

  /** Each replica takes the mean over all replicas of one part of the gradients. */
  #average(): void {
    const { accumulate, replica, replicas, shared } = this.setup;
    const all = shared.gradients as Float32Array;
    const length = all.length / replicas;
    const end = Math.floor((length * (replica + 1)) / replicas);
    const count = replicas * accumulate;
    for (let at = Math.floor((length * replica) / replicas); at < end; at++) {
      let sum = 0;
      for (let other = 0; other < replicas; other++) sum += all[other * length + at];
      all[at] = sum / count;
    }
  }

  async #update(update: PartSetup): Promise<void> {
    const { places, shared } = this.setup;
    const gradients = shared.gradients as Float32Array;
    for (const [i, { offset, length }] of places.entries()) {
      dataOf(this.#gradients[i]).set(gradients.subarray(offset, offset + length));
    }
    await this.#run(update);
    for (const { name, offset } of places) {
      shared.weights?.set(dataOf((this.#state.get(name) as Buffers).current), offset);
    }
  }

  #pull(): void {
    const { places, shared } = this.setup;
    for (const { name, offset, length } of places) {
      const weight = dataOf((this.#state.get(name) as Buffers).current);
      weight.set((shared.weights as Float32Array).subarray(offset, offset + length));
    }
  }
}

async function serve(port: NonNullable<typeof parentPort>, setup: TrainerSetup): Promise<void> {
  const reply = (message: TrainerReply) => port.postMessage(message);
  const thread = new TrainerThread(setup);
  try {
    await thread.open();
    reply({ kind: 'ready' });
  } catch (error) {
    reply({ kind: 'failed', error: toErrorData(error) });
    port.close();
    return;
  }
  port.on('message', async (request: TrainerRequest) => {
    try {
      reply(await thread.answer(request));
    } catch (error) {
      reply({ kind: 'failed', error: toErrorData(error) });
    }
  });
}

// Only in a thread of its own; the main thread imports this file for its types.
if (parentPort) await serve(parentPort, workerData as TrainerSetup);
