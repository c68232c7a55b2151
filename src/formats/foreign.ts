import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import { OptionError, show } from '../errors.js';
import type { ImageFormat } from './define.js';

/** Where worker threads find the modules of the formats that their parent has registered. */
const shareKey = 'voxstream image formats';

/** A format's description for worker threads. */
interface Reference {
  readonly name: string;
  readonly module: string;
}

const registered: ImageFormat[] = [];

/** The formats of other packages, the latest first. */
export function foreignFormats(): readonly ImageFormat[] {
  return registered;
}

/**
 * Adds a format of another package; it takes precedence over earlier ones, and replaces one of the same name.
 * Worker threads that start later know it too, so register formats before a runtime is used.
 *
 * @throws OptionError if an extension does not begin with a dot and have lower case, or if `module` is
 * missing.
 */
export function registerFormat(format: ImageFormat): void {
  const { name, extensions, module } = format;
  const bad = extensions.find((extension) => !/^\.[^A-Z/\\]+$/.test(extension));
  if (bad !== undefined) {
    throw new OptionError(
      `The image format ${show(name)} has the extension ${show(bad)}, but one in lower case that begins ` +
        'with a dot was expected, e.g. ".mgz".',
    );
  }
  if (!module) {
    throw new OptionError(
      `The image format ${show(name)} names no module. Set module: import.meta.url; worker threads import ` +
        `it from there.`,
    );
  }
  add(format);
  const references = registered.map(({ name, module = '' }): Reference => ({ name, module }));
  setEnvironmentData(shareKey, references);
}

let loading: Promise<void> | undefined;

/** In a worker thread: imports the formats that its parent had registered when the thread started. */
export function loadForeignFormats(): Promise<void> {
  loading ??= importFormats((getEnvironmentData(shareKey) ?? []) as Reference[]);
  return loading;
}

async function importFormats(references: readonly Reference[]): Promise<void> {
  // The latest comes first, so it is added last.
  for (const { name, module } of [...references].reverse()) {
    if (registered.some((format) => format.name === name)) continue;
    const exported = Object.values(await import(module)) as Partial<ImageFormat>[];
    const format = exported.find((value) => value?.kind === 'imageFormat' && value.name === name);
    if (!format)
      throw new OptionError(`${module} does not export the image format ${show(name)}. Export it there.`);
    add(format as ImageFormat);
  }
}

function add(format: ImageFormat): void {
  const same = registered.findIndex(({ name }) => name === format.name);
  if (same >= 0) registered.splice(same, 1);
  registered.unshift(format);
}
