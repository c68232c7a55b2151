import { createHash } from 'node:crypto';
import type { ModelNeeds } from '../runtime/deviceSessions.js';
import type { LoadedModel } from '../runtime/loadModel.js';
import type { Runtime } from '../runtime/runtime.js';
import { task } from '../runtime/task.js';
import { voxelCount } from '../volume/volume.js';
import { findModel, type ModelFiles, outputChannelsOf } from './findModel.js';
import { keptModel, type ModelForm } from './form.js';

/** Runs in a worker thread: rewriting a model takes seconds. */
const runnableModelTask = {
  ...task<typeof import('./form.js').runnableModel>(new URL('./form.js', import.meta.url), 'runnableModel'),
  uninterruptible: true,
};

/** A share in a loaded model. */
export interface ModelLease extends ModelFiles {
  readonly model: LoadedModel;
  /** About how many bytes one of its sessions takes, if known. */
  readonly sessionBytes?: number;
  /** Unloads the model, unless others use it too. */
  release(): Promise<void>;
}

/**
 * Loads a model by name or path (see `findModel`), in the form for its use and the runtime's device (see
 * `runnableModel`). It is loaded once for all who ask for the same form, and unloaded when all have called
 * `release`.
 *
 * @throws ModelError when the model cannot be found or loaded.
 */
export async function openModel(runtime: Runtime, name: string, form: ModelForm = {}): Promise<ModelLease> {
  const key = JSON.stringify([name, form.roiSize, form.onlyDifferences ?? false]);
  const { modelFolders, formsFolder, onWarning } = runtime.settings;
  const { found, model, release } = await runtime.load(key, async (provider) => {
    const files = await findModel(name, modelFolders);
    const runnable =
      (await keptModel(files, form, provider, formsFolder)) ??
      (await runtime.run(runnableModelTask, files, form, provider, formsFolder));
    if (runnable.warning) onWarning?.(runnable.warning);
    const card = createHash('sha256').update(JSON.stringify(files.card)).digest('hex');
    const outputBytes = await outputBytesOf(files, form);
    const outputChannels = form.outputChannels ?? runnable.outputChannels;
    return {
      ...runnable,
      outputBytes,
      outputChannels,
      name: files.card.name,
      sha256: files.sha256,
      card,
      files,
    };
  });
  return { ...found.files, model, sessionBytes: found.sessionBytes, release };
}

/** What a model takes on a CPU, if its form for some use is kept. */
export async function keptNeeds(
  files: ModelFiles,
  form: ModelForm,
  formsFolder?: string,
): Promise<ModelNeeds | undefined> {
  for (const onlyDifferences of [true, false]) {
    const kept = await keptModel(files, { ...form, onlyDifferences }, 'cpu', formsFolder);
    const sessionBytes = kept?.sessionBytes;
    if (sessionBytes) return { sessionBytes, outputBytes: await outputBytesOf(files, form) };
  }
  return undefined;
}

/** Size of a model's output for one window; 0 if the window's size is not known. */
async function outputBytesOf(files: ModelFiles, { roiSize }: ModelForm): Promise<number> {
  const window = roiSize ?? files.card.input.patch;
  if (!window?.every((n) => n > 0)) return 0;
  return (await outputChannelsOf(files)) * voxelCount(window) * Float32Array.BYTES_PER_ELEMENT;
}
