import type { Case } from '../case.js';
import { DataError, showBytes } from '../errors.js';
import { readGrid } from '../formats/index.js';
import { memoryLimit } from '../machine.js';
import type { Forecast, Forecaster } from '../operators/forecast.js';
import type { Budget } from '../runtime/budget.js';
import type { Runtime } from '../runtime/runtime.js';
import { fuseSteps } from './fuse.js';
import { StepFailure } from './steps.js';
import type { Pipeline } from './types.js';

/** What a case takes at most, and in which step. */
export interface Estimate {
  readonly bytes: number;
  readonly step: string;
}

/** Estimates the memory of a case from its files' headers; undefined where they cannot be read, which `load` will tell. */
export type Estimator = (subject: Case) => Promise<Estimate | undefined>;

/** Bytes that a case takes besides its voxels: buffers of reading, inflating, packing and writing. */
const buffers = 32 << 20;

/** The memory for cases that are open, in bytes: what the pipeline says, or half of what this process may use. */
export function memoryBudget({ runtime }: { readonly runtime: Pick<Pipeline['runtime'], 'memory'> }): number {
  return runtime.memory === 'auto' ? Math.floor(memoryLimit() / 2) : runtime.memory;
}

/**
 * What estimates the memory of a pipeline's cases, no voxel read: the volumes that each step and sink holds, fused as they run.
 *
 * @throws ModelError when a model cannot be found.
 */
export async function estimatorFor(
  { steps, sinks, fusions }: Pipeline,
  runtime: Runtime,
): Promise<Estimator> {
  const forecasters: { id: string; forecast: Forecaster }[] = [];
  for (const { id, forecast } of fuseSteps(steps, fusions)) {
    forecasters.push({ id, forecast: await forecast(runtime) });
  }
  for (const { id, built } of sinks) {
    const forecast = built.forecast?.();
    if (forecast) forecasters.push({ id, forecast });
  }
  return async ({ files }) => {
    try {
      const entries = Object.entries(files).map(async ([key, file]) => [key, await readGrid(file)] as const);
      let state: Forecast = { files: Object.fromEntries(await Promise.all(entries)), volumes: {}, peak: 0 };
      let step = '';
      for (const { id, forecast } of forecasters) {
        const next = forecast(state);
        if (next.peak > state.peak) step = id;
        state = next;
      }
      return { bytes: state.peak + buffers, step };
    } catch {
      return undefined;
    }
  };
}

/** The error for a case that the budget can never hold. */
function tooLarge({ id }: Case, { bytes, step }: Estimate, budget: number): DataError {
  return new DataError(
    `Case ${id} needs about ${showBytes(bytes)} of memory (most of it in ${step}), more than the ${showBytes(budget)} that ` +
      `cases may take (runtime.memory). Raise it with --memory ${Math.ceil((bytes * 1.05) / 2 ** 30)}GiB (${showBytes(memoryLimit())} is ` +
      'what this machine lets voxstream use), or crop the image.',
  );
}

/** A case's way in: what it is estimated to take, and what to call once it has ended. */
export interface Admission {
  readonly bytes?: number;
  readonly leave: () => void;
}

/**
 * Lets cases in one after the other, in the order of asking, each as soon as the budget has room for it.
 *
 * @throws StepFailure at a case that the budget can never hold.
 */
export function admission(estimate: Estimator, budget: Budget): (subject: Case) => Promise<Admission> {
  let last: Promise<unknown> = Promise.resolve();
  return (subject) => {
    const entering = last.then(async (): Promise<Admission> => {
      const needed = await estimate(subject);
      if (!needed) return { leave: () => {} };
      if (needed.bytes > budget.bytes)
        throw new StepFailure('memory', tooLarge(subject, needed, budget.bytes));
      return { bytes: needed.bytes, leave: await budget.take(needed.bytes) };
    });
    last = entering.catch(() => {});
    return entering;
  };
}
