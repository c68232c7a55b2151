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

/** The peak memory of a case and the step that needs it. */
export interface Estimate {
  readonly bytes: number;
  readonly step: string;
}

/**
 * Estimates the memory of a case from the headers of its files. Returns undefined if they cannot be read;
 * `load` reports the error later.
 */
export type Estimator = (subject: Case) => Promise<Estimate | undefined>;

/** Memory of a case besides its voxels: buffers for reading, inflating, packing and writing. */
const buffers = 32 << 20;

/** Memory for all open cases, in bytes: the pipeline's setting, or half of what this process may use. */
export function memoryBudget({ runtime }: { readonly runtime: Pick<Pipeline['runtime'], 'memory'> }): number {
  return runtime.memory === 'auto' ? Math.floor(memoryLimit() / 2) : runtime.memory;
}

/**
 * Returns the memory estimator for a pipeline's cases. It considers the volumes that each step and sink
 * holds, with steps fused as in the run, and reads no voxels.
 *
 * @throws ModelError if a model cannot be found.
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
  return estimatorOf(forecasters);
}

/** The estimator for cases that go through stages with these forecasts, in this order. */
export function estimatorOf(
  forecasters: readonly { readonly id: string; readonly forecast: Forecaster }[],
): Estimator {
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

/** The error for a case that exceeds the whole budget. */
function tooLarge({ id }: Case, { bytes, step }: Estimate, budget: number): DataError {
  return new DataError(
    `Case ${id} needs about ${showBytes(bytes)} of memory (most of it in ${step}), but open cases may ` +
      `use only ${showBytes(budget)} (runtime.memory). Raise the limit with --memory ` +
      `${Math.ceil((bytes * 1.05) / 2 ** 30)}GiB (voxstream may use ${showBytes(memoryLimit())} on this ` +
      'machine), or crop the image.',
  );
}

/** An admitted case: its estimated memory, and a function to call when it ends. */
export interface Admission {
  readonly bytes?: number;
  readonly leave: () => void;
}

/**
 * Admits cases in the order of the calls, each as soon as the budget has room for it.
 *
 * @throws StepFailure for a case that exceeds the whole budget.
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
