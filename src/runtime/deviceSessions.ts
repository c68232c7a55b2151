import type { InferenceSession } from 'onnxruntime-node';
import { memoryLimit, processors } from '../machine.js';
import { parseDevice, providerConfig } from './device.js';

/** Most session threads on a CPU: more need more memory (a U-Net's activations each) and hardly add speed. */
const mostCpuSessions = 8;

/** Most sessions on one GPU: see docs/gpu.md. */
const mostGpuSessions = 4;

/** The most memory for the outputs of one window of all sessions on a CPU, in bytes. */
const mostOutputBytes = 512 << 20;

/** The most memory for the models of all sessions on a CPU, in bytes, and as a share of all memory. */
const mostModelBytes = 1 << 30;
const mostModelShare = 1 / 32;

/** The memory that a model takes. */
export interface ModelNeeds {
  /** Size of the model's output for one window. Default: not known. */
  readonly outputBytes?: number;
  /** About how many bytes a session takes for the model. Default: not known. */
  readonly sessionBytes?: number;
}

/** How one session of a device runs a model. */
export interface DeviceSession {
  /** The execution provider that the model is meant to run on. */
  readonly provider: string;
  /** The providers for ONNX Runtime, in order of preference. */
  readonly providers: readonly InferenceSession.ExecutionProviderConfig[];
  /** Threads inside the session. */
  readonly threads: number;
}

/**
 * The sessions of a device. A CPU gets one single-threaded session per processor, which together finish more
 * windows per second than one session with all threads (see docs/performance.md), or the number given by
 * `cpu:N`. Models of many classes get fewer: each session holds the output for a window more than once. So do
 * models whose weights and features are large: one session with two threads takes 1.1 to 1.2 times as long
 * as two sessions, and half the memory.
 *
 * A GPU of CUDA gets one session per four processors, at most four: while one computes, others copy windows
 * and add up outputs. WebGPU's provider fails with two sessions in one process, so it and other devices get
 * one session each.
 *
 * @param cores The number of processors.
 */
export function deviceSessions(
  device: string,
  { outputBytes = 0, sessionBytes = 0 }: ModelNeeds = {},
  cores = processors,
  memory = memoryLimit(),
): DeviceSession[] {
  const { provider, numbers } = parseDevice(device);
  const most = Math.max(1, Math.floor(mostOutputBytes / outputBytes));
  if (provider === 'cpu') {
    const models = Math.max(mostModelBytes, mostModelShare * memory);
    const fitting = Math.max(1, Math.floor(models / sessionBytes));
    const sessions = device === 'cpu' ? Math.min(cores, mostCpuSessions, most, fitting) : numbers.length;
    const threads = Math.max(1, Math.floor(cores / sessions));
    return Array.from({ length: sessions }, () => ({ provider, providers: [provider], threads }));
  }
  // CUDA runs the operations that TensorRT does not support.
  const providers = provider === 'tensorrt' ? ['tensorrt', 'cuda'] : [provider];
  const byProcessors = Math.max(1, Math.floor(cores / 4 / numbers.length));
  const sessions = provider === 'cuda' ? Math.min(mostGpuSessions, byProcessors, most) : 1;
  return numbers.flatMap((number) =>
    Array.from({ length: sessions }, () => ({
      provider,
      providers: providers.map((name) => providerConfig(name, number)),
      threads: 1,
    })),
  );
}

/**
 * Of the sessions whose first run failed, those that an earlier session on the same GPU can do without: the
 * GPU has no memory for more.
 */
export function spareSessions(
  sessions: readonly Pick<DeviceSession, 'providers'>[],
  failed: readonly number[],
): number[] {
  const gpus = sessions.map(({ providers }) => JSON.stringify(providers));
  return failed.filter((at) => gpus.indexOf(gpus[at]) < at);
}
