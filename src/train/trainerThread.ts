import * as ort from '../onnx/ort.js';
import { sizeOf } from '../onnx/tensor.js';
import { stepNames } from '../onnx/training/stepGraph.js';
import { freeArray } from '../runtime/freeArray.js';
import type {
  PartSetup,
  StepScalars,
  TrainerReply,
  TrainerRequest,
  TrainerSetup,
} from './trainerMessages.js';

/** A tensor of the state. `spare` takes its next value; then the two are exchanged. */
interface Buffers {
  current: ort.Tensor;
  spare: ort.Tensor;
}

/** A session of one graph of a step, with its tensors. */
interface Part {
  readonly session: ort.InferenceSession;
  readonly setup: PartSetup;
  readonly feeds: Record<string, ort.Tensor>;
  readonly fetches: Record<string, ort.Tensor>;
}

/** What one replica does in its thread: it holds the state and runs the graphs. */
export class TrainerThread {
  readonly #image: ort.Tensor;
  readonly #label: ort.Tensor;
  readonly #learningRate = floatTensor([]);
  readonly #lossScale = floatTensor([]);
  readonly #loss = floatTensor([]);
  /** The output of the model for one batch, where it is wanted. */
  readonly #logits: ort.Tensor | undefined;
  readonly #gradNorm = floatTensor([]);
  readonly #state = new Map<string, Buffers>();
  /** The gradients of one batch, in the order of the places. */
  readonly #gradients: readonly ort.Tensor[];
  #step: Part | undefined;
  #gradientPart: Part | undefined;
  #updatePart: Part | undefined;

  constructor(readonly setup: TrainerSetup) {
    this.#image = floatTensor(setup.imageDims);
    this.#label = new ort.Tensor('uint8', new Uint8Array(sizeOf(setup.labelDims)), setup.labelDims);
    for (const [name, { dims, data }] of setup.state) {
      this.#state.set(name, { current: floatTensor(dims, data.slice()), spare: floatTensor(dims) });
    }
    if (setup.logitDims) this.#logits = floatTensor(setup.logitDims);
    this.#gradients = setup.gradients ? setup.places.map(({ dims }) => floatTensor(dims)) : [];
  }

  /** Creates the sessions. Call it before `answer`. */
  async open(): Promise<void> {
    const { step, gradients, update, places, replica } = this.setup;
    if (step) {
      const outputs = { loss: this.#loss, ...this.#kept(), gradNorm: this.#gradNorm };
      this.#step = await this.#open(step, {}, outputs);
    }
    if (gradients) {
      const outputs = places.map(({ output }, i) => [output, this.#gradients[i]]);
      this.#gradientPart = await this.#open(
        gradients,
        {},
        { loss: this.#loss, ...this.#kept(), ...Object.fromEntries(outputs) },
      );
    }
    if (update && replica === 0) {
      const inputs = places.map(({ input }, i) => [input, this.#gradients[i]]);
      this.#updatePart = await this.#open(update, Object.fromEntries(inputs), { gradNorm: this.#gradNorm });
    }
  }

  /** The output for the model's output, where it is wanted. */
  #kept(): Record<string, ort.Tensor> {
    return this.#logits ? { [stepNames.logits]: this.#logits } : {};
  }

  async #open(
    setup: PartSetup,
    inputs: Record<string, ort.Tensor>,
    fetches: Record<string, ort.Tensor>,
  ): Promise<Part> {
    const session = await ort.InferenceSession.create(setup.bytes, {
      executionProviders: this.setup.providers,
      intraOpNumThreads: this.setup.threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      // Its plan puts all memory into one block, which is 1.6 times as large here, and slower.
      enableMemPattern: false,
      logSeverityLevel: 3,
    });
    const feeds = { ...inputs };
    if (setup.image) Object.assign(feeds, { [setup.image]: this.#image, [stepNames.label]: this.#label });
    for (const [name, value] of [
      [stepNames.learningRate, this.#learningRate],
      [stepNames.lossScale, this.#lossScale],
    ] as const) {
      if (session.inputNames.includes(name)) feeds[name] = value;
    }
    return { session, setup, feeds, fetches };
  }

  /** Does what it is asked to. Requests must come one after the other. */
  async answer(request: TrainerRequest): Promise<TrainerReply> {
    switch (request.kind) {
      case 'step':
        this.#takeBatch(0);
        this.#setScalars(request);
        await this.#run(this.#step);
        this.#giveLogits(0);
        return this.#done(dataOf(this.#loss)[0]);
      case 'gradients':
        this.#setScalars({ learningRate: 0, lossScale: request.lossScale });
        return this.#done(await this.#sumGradients());
      case 'average':
        this.#average();
        return this.#done(0);
      case 'update':
        this.#setScalars(request);
        await this.#update();
        return this.#done(0);
      case 'pull':
        this.#pull();
        return this.#done(0);
      case 'state':
        return { kind: 'state', tensors: this.#copyState() };
      case 'restore':
        for (const [name, data] of request.tensors) dataOf(this.#buffers(name).current).set(data);
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

  #buffers(name: string): Buffers {
    const buffers = this.#state.get(name);
    if (!buffers) throw new Error(`The training state has no tensor "${name}".`);
    return buffers;
  }

  #copyState(): Map<string, Float32Array> {
    return new Map([...this.#state].map(([name, { current }]) => [name, dataOf(current).slice()] as const));
  }

  /** Copies one of this replica's batches out of the shared memory, which ONNX Runtime does not accept. */
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

  /** Copies the output for one of this replica's batches into the shared memory. */
  #giveLogits(index: number): void {
    const { replica, accumulate, shared } = this.setup;
    if (!this.#logits) return;
    const data = dataOf(this.#logits);
    shared.logits?.set(data, (replica * accumulate + index) * data.length);
  }

  async #run(part: Part | undefined): Promise<void> {
    if (!part) throw new Error('The trainer was asked to run a graph that it does not have.');
    const { session, setup, feeds, fetches } = part;
    for (const name of setup.reads) feeds[name] = this.#buffers(name).current;
    for (const { name, next } of setup.changes) {
      const { current, spare } = this.#buffers(name);
      feeds[name] = current;
      fetches[next] = spare;
    }
    // What it returns are copies of the tensors that it was given.
    const copies = await session.run(feeds, fetches);
    for (const { data } of Object.values(copies)) freeArray(data as Float32Array<ArrayBuffer>);
    for (const { name } of setup.changes) {
      const buffers = this.#buffers(name);
      [buffers.current, buffers.spare] = [buffers.spare, buffers.current];
    }
  }

  /**
   * Adds up the gradients of this replica's batches in its part of the shared memory. Returns the sum of the
   * losses.
   */
  async #sumGradients(): Promise<number> {
    const { accumulate, places, replica, replicas } = this.setup;
    const all = this.#sharedGradients();
    const mine = all.subarray((replica * all.length) / replicas, ((replica + 1) * all.length) / replicas);
    let loss = 0;
    for (let index = 0; index < accumulate; index++) {
      this.#takeBatch(index);
      await this.#run(this.#gradientPart);
      this.#giveLogits(index);
      loss += dataOf(this.#loss)[0];
      for (const [i, { offset, length }] of places.entries()) {
        const gradient = dataOf(this.#gradients[i]);
        if (index === 0) mine.set(gradient, offset);
        else for (let at = 0; at < length; at++) mine[offset + at] += gradient[at];
      }
    }
    return loss;
  }

  /** Averages one section of the gradients over all replicas; each replica takes another section. */
  #average(): void {
    const { accumulate, replica, replicas } = this.setup;
    const all = this.#sharedGradients();
    const length = all.length / replicas;
    const end = Math.floor((length * (replica + 1)) / replicas);
    const count = replicas * accumulate;
    for (let at = Math.floor((length * replica) / replicas); at < end; at++) {
      let sum = 0;
      for (let other = 0; other < replicas; other++) sum += all[other * length + at];
      all[at] = sum / count;
    }
  }

  /** Updates the weights, and gives them to the other replicas. */
  async #update(): Promise<void> {
    const { places, shared } = this.setup;
    const gradients = this.#sharedGradients();
    for (const [i, { offset, length }] of places.entries()) {
      dataOf(this.#gradients[i]).set(gradients.subarray(offset, offset + length));
    }
    await this.#run(this.#updatePart);
    for (const { name, offset } of places) {
      shared.weights?.set(dataOf(this.#buffers(name).current), offset);
    }
  }

  /** Takes the weights that the first replica gave. */
  #pull(): void {
    const { places, shared } = this.setup;
    for (const { name, offset, length } of places) {
      const weights = shared.weights?.subarray(offset, offset + length);
      if (weights) dataOf(this.#buffers(name).current).set(weights);
    }
  }

  #sharedGradients(): Float32Array {
    const { gradients } = this.setup.shared;
    if (!gradients) throw new Error('The trainer has no memory for gradients.');
    return gradients;
  }
}

function floatTensor(dims: readonly number[], data = new Float32Array(sizeOf(dims))): ort.Tensor {
  return new ort.Tensor('float32', data, dims);
}

/** The numbers of a float32 tensor. */
function dataOf(value: ort.Tensor): Float32Array {
  return value.data as Float32Array;
}
