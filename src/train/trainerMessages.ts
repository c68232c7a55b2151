import type { InferenceSession } from 'onnxruntime-node';
import type { Failure } from '../runtime/askThread.js';

/** A tensor of the state, and the graph's output that has its next value. */
export interface StateSlot {
  readonly name: string;
  readonly next: string;
  readonly dims: readonly number[];
}

/** One graph of a step. */
export interface PartSetup {
  readonly bytes: Uint8Array;
  /** The state that the graph changes. */
  readonly changes: readonly StateSlot[];
  /** Names of the state that it only reads. */
  readonly reads: readonly string[];
  /** The input for images. Undefined for the update graph. */
  readonly image?: string;
}

/** Where a weight's gradient is in the array of all gradients. */
export interface GradientPlace {
  readonly name: string;
  /** The output of the gradient graph. */
  readonly output: string;
  /** The input of the update graph. */
  readonly input: string;
  readonly dims: readonly number[];
  /** In numbers, not bytes. */
  readonly offset: number;
  readonly length: number;
}

/** Memory that the threads of a trainer share. */
export interface SharedMemory {
  /** The images of the whole batch. */
  readonly images: Float32Array;
  readonly labels: Uint8Array;
  /** The model's output for the whole batch, where it is wanted. */
  readonly logits?: Float32Array;
  /** With two graphs: the gradients of each replica in turn. The first replica's part takes their mean. */
  readonly gradients?: Float32Array;
  /** With several replicas: the weights after an update, in the order of the gradients. */
  readonly weights?: Float32Array;
}

/** The `workerData` of a training thread. */
export interface TrainerSetup {
  readonly providers: readonly InferenceSession.ExecutionProviderConfig[];
  readonly threads: number;
  /** The replica's number. The first replica keeps the optimizer's state and the running statistics. */
  readonly replica: number;
  readonly replicas: number;
  /** Batches whose gradients are added up for one update. */
  readonly accumulate: number;
  /** Size of one such batch. */
  readonly imageDims: readonly number[];
  readonly labelDims: readonly number[];
  /** Size of the model's output for one such batch, where it is wanted. */
  readonly logitDims?: readonly number[];
  /** The whole step in one graph. Undefined if there are two. */
  readonly step?: PartSetup;
  readonly gradients?: PartSetup;
  readonly update?: PartSetup;
  readonly places: readonly GradientPlace[];
  readonly shared: SharedMemory;
  readonly state: ReadonlyMap<string, { readonly dims: readonly number[]; readonly data: Float32Array }>;
}

/** The numbers that a step takes. */
export interface StepScalars {
  readonly learningRate: number;
  /** Used with float16 only. */
  readonly lossScale: number;
}

/** What a training thread is asked to do. */
export type TrainerRequest =
  /** Do a whole step. */
  | ({ readonly kind: 'step' } & StepScalars)
  /** Compute the gradients of this replica's share of the batch. */
  | { readonly kind: 'gradients'; readonly lossScale: number }
  /** Average all replicas' gradients, in this replica's section of the array. */
  | { readonly kind: 'average' }
  /** Update the weights with the averaged gradients. */
  | ({ readonly kind: 'update' } & StepScalars)
  /** Take the weights of the last update. */
  | { readonly kind: 'pull' }
  | { readonly kind: 'state' }
  | { readonly kind: 'restore'; readonly tensors: ReadonlyMap<string, Float32Array> };

/** The answers of a training thread. */
export type TrainerReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly loss: number; readonly gradNorm: number }
  | { readonly kind: 'state'; readonly tensors: ReadonlyMap<string, Float32Array> }
  | Failure;
