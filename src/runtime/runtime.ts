import type { TaskName, Tasks } from './tasks.js';

/** Where work runs: reading, writing and compressing; voxel kernels; models. */
export type LaneName = 'io' | 'cpu' | 'device';

/** The machine as operators see it. */
export interface Runtime {
  /** Waits for a place on a lane, holds it while `work` runs, and gives it back. */
  on<T>(lane: LaneName, work: () => Promise<T>): Promise<T>;
  /** Runs a task of `runtime/tasks.ts` in a worker thread. Voxels on SharedArrayBuffers are not copied. */
  run<N extends TaskName>(name: N, ...args: Parameters<Tasks[N]>): Promise<Awaited<ReturnType<Tasks[N]>>>;
}
