import { accessSync, constants, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { read } from '../machine.js';

/** A GPU that the operating system lists. */
export interface Gpu {
  readonly name: string;
  readonly vendor: 'nvidia' | 'amd' | 'intel' | 'apple' | 'other';
  /** Linux: its device file. */
  readonly file?: string;
  /** Whether this user may open the device file. */
  readonly usable: boolean;
}

const vendors: Readonly<Record<string, { name: string; vendor: Gpu['vendor'] }>> = {
  '0x10de': { name: 'NVIDIA GPU', vendor: 'nvidia' },
  '0x1002': { name: 'AMD GPU', vendor: 'amd' },
  '0x8086': { name: 'Intel GPU', vendor: 'intel' },
};

/**
 * Lists the GPUs of this machine. On Linux: those with a device file (`/dev/nvidia0`, `/dev/dri/renderD128`,
 * `/dev/dxg` in WSL). On macOS and Windows: the one behind Metal or Direct3D. Reads a few small files and
 * starts no process.
 *
 * @param root The folder that holds `dev`, `proc` and `sys`.
 */
export function findGpus(root = '/', platform: NodeJS.Platform = process.platform): Gpu[] {
  if (platform === 'darwin') return [{ name: 'the GPU behind Metal', vendor: 'apple', usable: true }];
  if (platform === 'win32') return [{ name: 'the GPU behind Direct3D 12', vendor: 'other', usable: true }];
  const nvidia = names(join(root, 'dev'), /^nvidia(\d+)$/).map((name) =>
    onFile(root, `/dev/${name}`, {
      name: nvidiaModel(root, name.slice(6)) ?? 'NVIDIA GPU',
      vendor: 'nvidia',
    }),
  );
  const render = names(join(root, 'dev/dri'), /^renderD\d+$/).map((name) => {
    const device = (field: string) => read(join(root, 'sys/class/drm', name, 'device', field));
    const { name: maker, vendor } = vendors[device('vendor')] ?? { name: 'GPU', vendor: 'other' as const };
    const numbers = [device('vendor'), device('device')].filter(Boolean).join(':');
    return onFile(root, `/dev/dri/${name}`, { name: numbers ? `${maker} ${numbers}` : maker, vendor });
  });
  const wsl = names(join(root, 'dev'), /^dxg$/).map((name) =>
    onFile(root, `/dev/${name}`, { name: "Windows' GPU (WSL)", vendor: 'other' }),
  );
  // NVIDIA's driver lists its GPUs in both places.
  return [...nvidia, ...render.filter(({ vendor }) => vendor !== 'nvidia' || nvidia.length === 0), ...wsl];
}

function names(folder: string, pattern: RegExp): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => pattern.test(name))
      .sort();
  } catch {
    return []; // without the folder there are no such devices
  }
}

function onFile(root: string, file: string, gpu: Pick<Gpu, 'name' | 'vendor'>): Gpu {
  try {
    accessSync(join(root, file), constants.R_OK | constants.W_OK);
    return { ...gpu, file, usable: true };
  } catch {
    return { ...gpu, file, usable: false };
  }
}

/** The model that NVIDIA's driver gives for a device file's number. */
function nvidiaModel(root: string, minor: string): string | undefined {
  const folder = join(root, 'proc/driver/nvidia/gpus');
  const texts = names(folder, /./).map((name) => read(join(folder, name, 'information')));
  const text = texts.find((one) => /^Device Minor:\s*(\d+)$/m.exec(one)?.[1] === minor);
  return text && /^Model:\s*(.+)$/m.exec(text)?.[1].trim();
}
