import type { InferenceSession } from 'onnxruntime-node';
import { processors } from '../machine.js';
import { parseDevice, providerConfig } from './device.js';

/** Most session threads on a CPU: more need more memory (a U-Net's activations each) and hardly add speed. */
const mostCpuSessions = 8;

/** The most memory for the outputs of one window of all sessions on a CPU, in bytes. */
const mostOutputBytes = 512 << 20;

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
 * `cpu:N`. Models of many classes get fewer: each session holds the output for a window more than once. Other
 * devices get one session each.
 *
 * @param outputBytes Size of the model's output for one window, if known.
 */
export function deviceSessions(device: string, outputBytes = 0): DeviceSession[] {
  const { provider, numbers } = parseDevice(device);
  if (provider === 'cpu') {
    const most = Math.max(1, Math.floor(mostOutputBytes / outputBytes));
    const sessions = device === 'cpu' ? Math.min(processors, mostCpuSessions, most) : numbers.length;
    const threads = Math.max(1, Math.floor(processors / sessions));
    return Array.from({ length: sessions }, () => ({ provider, providers: [provider], threads }));
  }
  // CUDA runs the operations that TensorRT does not support.
  const providers = provider === 'tensorrt' ? ['tensorrt', 'cuda'] : [provider];
  return numbers.map((number) => ({
    provider,
    providers: providers.map((name) => providerConfig(name, number)),
    threads: 1,
  }));
}
