import { listNames, ModelError, show } from '../errors.js';
import type { Tensor } from '../onnx/tensor.js';

/**
 * Everything that training changes, by name: weights, running statistics, the optimizer's state and its step
 * count.
 */
export type TrainingState = ReadonlyMap<string, Tensor>;

/** Most faults that one message names. */
const mostFaults = 5;

/** Throws ModelError naming the tensors of a state that are missing, unexpected or of another size. */
export function checkState(given: TrainingState, expected: ReadonlyMap<string, readonly number[]>): void {
  const faults: string[] = [];
  for (const [name, dims] of expected) {
    const found = given.get(name);
    if (!found) faults.push(`${name} is missing`);
    else if (found.type !== 'float32' || found.dims.join() !== dims.join()) {
      faults.push(`${name} is ${found.type} ${show(found.dims)}, but must be float32 ${show(dims)}`);
    }
  }
  for (const name of given.keys()) if (!expected.has(name)) faults.push(`${name} is not expected`);
  if (faults.length === 0) return;
  const rest = faults.length > mostFaults ? [`${faults.length - mostFaults} more`] : [];
  throw new ModelError(
    'The training state does not fit the model and the optimizer: ' +
      `${listNames([...faults.slice(0, mostFaults), ...rest])}. It must come from a training of the same ` +
      'network with the same optimizer.',
  );
}
