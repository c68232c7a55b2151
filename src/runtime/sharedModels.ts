import { chooseDevice, type DeviceChoice } from './chooseDevice.js';
import { parseDevice } from './device.js';
import { type LoadedModel, type LoadSettings, loadModel, type RunnableModel } from './loadModel.js';
import { endThreads, startSessionThreads } from './sessionThread.js';

/** What records of a run say of a model. */
export interface ModelRecord {
  readonly name: string;
  /** The SHA-256 of its file. */
  readonly sha256: string;
  /** The SHA-256 of its card, as it was read. */
  readonly card: string;
}

/** A model to load, and its record. */
export interface NamedModel extends RunnableModel, ModelRecord {}

/** A share in a loaded model. */
export interface ModelShare<M extends NamedModel> {
  readonly found: M;
  readonly model: LoadedModel;
  release(): Promise<void>;
}

interface Entry {
  readonly loading: Promise<{ readonly found: NamedModel; readonly model: LoadedModel }>;
  users: number;
}

/** The device of a runtime and the models that are loaded on it. */
export class SharedModels {
  readonly #entries = new Map<string, Entry>();
  /** By their contents. */
  readonly #loaded = new Map<string, ModelRecord>();
  readonly #partlyOnCpu = new Set<string>();
  #choosing: Promise<DeviceChoice> | undefined;
  #choice: DeviceChoice;

  constructor(
    device: string,
    readonly settings: LoadSettings,
  ) {
    this.#choice = { device };
  }

  get device(): string {
    return this.#choice.device;
  }

  get deviceNote(): string | undefined {
    const notes = this.#choice.reason ? [this.#choice.reason] : [];
    for (const name of this.#partlyOnCpu) notes.push(`some operations of ${name} run on the CPU`);
    return notes.join('; ') || undefined;
  }

  async load<M extends NamedModel>(
    key: string,
    find: (provider: string) => Promise<M>,
  ): Promise<ModelShare<M>> {
    const entry = this.#entries.get(key) ?? { loading: this.#load(find), users: 0 };
    this.#entries.set(key, entry);
    entry.users++;
    const release = async () => {
      if (--entry.users > 0) return;
      this.#entries.delete(key);
      await (await entry.loading).model.close();
    };
    try {
      const { found, model } = await entry.loading;
      return { found: found as M, model, release };
    } catch (error) {
      this.#entries.delete(key);
      throw error;
    }
  }

  async #load<M extends NamedModel>(find: (provider: string) => Promise<M>) {
    this.#choosing ??= chooseDevice(this.#choice.device);
    this.#choice = await this.#choosing;
    const { device } = this.#choice;
    // They start while the model is looked for.
    const threads = startSessionThreads(device);
    const found = await find(parseDevice(device).provider).catch(async (error) => {
      await endThreads(threads);
      throw error;
    });
    const model = await loadModel(found, device, this.settings, threads);
    const { name, sha256, card } = found;
    this.#loaded.set(JSON.stringify([name, sha256, card]), { name, sha256, card });
    if (model.partlyOnCpu) this.#partlyOnCpu.add(found.name);
    return { found, model };
  }

  loaded(): ModelRecord[] {
    return [...this.#loaded.values()];
  }

  async close(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    // A model that could not be loaded was reported to the caller.
    await Promise.all(
      entries.map(({ loading }) => loading.then(({ model }) => model.close()).catch(() => {})),
    );
  }
}
