import { maskError, maskOf } from '../mask.js';
import { chooseDevice } from '../runtime/chooseDevice.js';
import type { Runtime } from '../runtime/runtime.js';
import { checkNeeds } from './checkNeeds.js';
import { estimatorFor } from './memory.js';
import { selectCases } from './select.js';
import type { Pipeline } from './types.js';

/**
 * Looks for the models of a pipeline and for its device. Reads no case.
 *
 * @throws ModelError or OptionError if one of them cannot be used.
 */
export async function checkModels(pipeline: Pipeline, runtime: Runtime): Promise<void> {
  await estimatorFor(pipeline, runtime);
  await checkDevice(pipeline.runtime.device);
}

/** Tests a device that was asked for by name, whether or not a model needs it. */
export async function checkDevice(device: string): Promise<void> {
  if (device !== 'auto') await chooseDevice(device);
}

/**
 * Checks whether a run could start: the dataset, the inputs of metrics, models and the device. Messages hide
 * what the pipeline hides.
 *
 * @throws VoxError if it could not.
 */
export async function checkRun(
  pipeline: Pipeline,
  runtime: Runtime,
  onWarning: (message: string) => void,
): Promise<void> {
  const mask = maskOf(pipeline);
  const warn = (message: string) => onWarning(mask(message));
  try {
    const items = await selectCases(pipeline.source.built.open({ onWarning: warn }), {});
    checkNeeds(pipeline, items, warn);
    await checkModels(pipeline, runtime);
  } catch (error) {
    throw maskError(mask, error);
  }
}
