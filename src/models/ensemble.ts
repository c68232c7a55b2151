import { memoryLimit } from '../machine.js';
import { parseDevice } from '../runtime/device.js';
import type { LoadedModel } from '../runtime/loadModel.js';
import type { Runtime } from '../runtime/runtime.js';
import type { ModelFiles } from './findModel.js';
import type { ModelForm } from './form.js';
import { type ModelLease, openModel } from './openModel.js';

/** What is known of a model of an ensemble, also while it is not loaded. */
export interface EnsembleMember extends ModelFiles {
  readonly shape: LoadedModel['shape'];
}

/** The share of the memory that the models of an ensemble may take together on a CPU. */
const shareOfMemory = 1 / 4;

/**
 * The models of one step, whose outputs are averaged. All stay loaded until `close`, unless that would take
 * more than a quarter of the memory: then one at a time is.
 */
export interface Ensemble {
  readonly members: readonly EnsembleMember[];
  /** Calls `work` with a loaded model. */
  with<T>(place: number, work: (model: LoadedModel) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Whether the models of an ensemble stay loaded, by runtime and names: it is measured once. */
const decisions = new WeakMap<Runtime, Map<string, boolean>>();

/**
 * Loads models, one after the other.
 *
 * @param check Called with each model, to compare it with the first one. It returns the number of output
 * channels, if it found that.
 * @param most Bytes that the models may take together on a CPU.
 * @throws ModelError when a model cannot be found or loaded, or fails the check. No model stays loaded then.
 */
export async function openEnsemble(
  runtime: Runtime,
  names: readonly string[],
  form: ModelForm,
  check: (model: ModelLease, first: EnsembleMember) => Promise<number | undefined>,
  most = memoryLimit() * shareOfMemory,
): Promise<Ensemble> {
  const known = decisions.get(runtime) ?? new Map<string, boolean>();
  decisions.set(runtime, known);
  const key = JSON.stringify([names, form]);
  const leases: ModelLease[] = [];
  const members: EnsembleMember[] = [];
  const outputs: (number | undefined)[] = [];
  const close = async () => {
    for (const { release } of leases.splice(0)) await release();
  };
  try {
    const before = process.memoryUsage.rss();
    for (const name of names) {
      const lease = await openModel(runtime, name, form);
      leases.push(lease);
      const { file, sha256, card, model } = lease;
      members.push({ file, sha256, card, shape: model.shape });
      outputs.push(await check(lease, members[0]));
      if (!known.has(key)) {
        const bytes = Math.max(
          process.memoryUsage.rss() - before,
          (lease.sessionBytes ?? 0) * model.sessions,
        );
        known.set(key, fits(bytes, names.length, runtime, most));
      }
      if (!known.get(key)) await close();
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    members,
    async with(place, work) {
      if (known.get(key)) return work(leases[place].model);
      const outputChannels = outputs[place];
      const lease = await openModel(runtime, names[place], {
        ...form,
        ...(outputChannels && { outputChannels }),
      });
      try {
        return await work(lease.model);
      } finally {
        await lease.release();
      }
    },
    close,
  };
}

/** Whether all models may stay loaded, given what the first one took. A GPU has its own memory. */
function fits(bytes: number, count: number, { device }: Runtime, most: number): boolean {
  if (count === 1 || parseDevice(device).provider !== 'cpu') return true;
  return bytes * count <= most;
}
