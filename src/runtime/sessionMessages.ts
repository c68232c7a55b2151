import type { OrtHere } from '../onnx/blockSize.js';
import type { Vec3 } from '../volume/volume.js';
import type { ModelAxes } from '../volume/windows.js';
import type { Failure } from './askThread.js';
import type { DeviceSession } from './deviceSessions.js';
import type { InferenceJob } from './inferenceJob.js';

/** The session of a thread. */
export interface SessionSetup extends DeviceSession {
  /** The ONNX file. */
  readonly file: string;
  /** See `RuntimeSettings`. */
  readonly collectGarbage: boolean;
}

/** The inputs and outputs of a loaded model. */
export interface ModelShape {
  readonly inputs: readonly ValueShape[];
  readonly outputs: readonly ValueShape[];
}

/** An input or output of a model; -1 stands for a size that may vary. */
export interface ValueShape {
  readonly name: string;
  readonly type: string;
  readonly dims: readonly number[];
}

export type SessionRequest =
  /** The first request. */
  | { readonly kind: 'open'; readonly setup: SessionSetup }
  | { readonly kind: 'probe'; readonly roiSize: Vec3; readonly channels: number; readonly axes: ModelAxes }
  | { readonly kind: 'infer'; readonly job: InferenceJob };

/**
 * A session thread's messages. `started` comes once, at the start. `done` comes when the thread finds no
 * window of a job left, while other threads may still be at their last.
 */
export type SessionReply =
  | { readonly kind: 'started'; readonly ort: OrtHere }
  | { readonly kind: 'opened'; readonly shape: ModelShape; readonly partlyOnCpu: boolean }
  | { readonly kind: 'probed'; readonly dims: readonly number[] }
  | { readonly kind: 'done' }
  | Failure;
