import { constants } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, availableParallelism, cpus, freemem, release, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { messageOf } from '../errors.js';
import { makeFolder } from '../formats/aside.js';
import { cacheFolder, groupLimits, memoryLimit, processors, read } from '../machine.js';
import { channelBlock } from '../onnx/blockSize.js';
import { chooseDevice, type DeviceChoice } from './chooseDevice.js';
import { deviceSessions } from './deviceSessions.js';
import { findGpus, type Gpu } from './gpus.js';
import { type ProviderTest, testProvider } from './testProvider.js';

/** What this machine offers. */
export interface Examination {
  readonly node: { readonly version: string; readonly enough: boolean };
  readonly system: string;
  readonly processors: {
    readonly model: string;
    /** All processors; those this process is bound to; those it uses, given its control group's limit. */
    readonly machine: number;
    readonly bound: number;
    readonly used: number;
    /** The control group's limit, as a number of processors; missing without a limit. */
    readonly groupLimit?: number;
    /**
     * Channels per block of ONNX Runtime's convolutions; 1 if it has no blocked kernels for this processor.
     */
    readonly channelBlock?: number;
  };
  /** In bytes. */
  readonly memory: {
    readonly machine: number;
    /** Memory that programs can have now, including the file cache. */
    readonly free: number;
    readonly groupLimit?: number;
    /** The memory this process may use. */
    readonly usable: number;
  };
  readonly cache: { readonly folder: string; readonly free?: number; readonly fault?: string };
  readonly gpus: readonly Gpu[];
  readonly onnxRuntime: { readonly version: string; readonly providers: readonly ProviderTest[] };
  /** The choice of `--device auto`. */
  readonly auto: DeviceChoice;
  /** The threads of a run on that device. */
  readonly threads: { readonly sessions: number; readonly perSession: number; readonly workers: number };
}

/** True for a Node.js version that voxstream runs on: 20.15, 22.2 or newer, where `zlib.crc32` exists. */
function isSupportedNode(version: string): boolean {
  const [major, minor] = version.split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 2) || (major === 20 && minor >= 15);
}

/**
 * Examines this machine. Each provider in ONNX Runtime's binary is tested by running a model on it in a child
 * process; see `testProvider`.
 */
export async function examine(): Promise<Examination> {
  const gpus = findGpus();
  const onCpu = await testProvider('cpu', 0, gpus);
  const others = onCpu.ok ? onCpu.known.filter((name) => name !== 'cpu') : [];
  const providers = [onCpu, ...(await Promise.all(others.map((name) => testProvider(name, 0, gpus))))];
  const tested = new Map(providers.map((result) => [result.provider, result]));
  // The results of the tests above are reused.
  const auto = await chooseDevice(
    'auto',
    gpus,
    async (name, number) => tested.get(name) ?? testProvider(name, number, gpus),
  );
  const limits = groupLimits();
  const sessions = deviceSessions(auto.device);
  return {
    node: {
      version: process.versions.node,
      enough: isSupportedNode(process.versions.node),
    },
    system: `${process.platform} ${arch()}, ${systemName()}`,
    processors: {
      model: cpus()[0]?.model.trim() || 'unknown model',
      machine: cpus().length,
      bound: availableParallelism(),
      used: processors,
      ...(Number.isFinite(limits.processors) && { groupLimit: limits.processors }),
      // This loads ONNX Runtime into this process, so it must be known to load.
      ...(onCpu.ok && { channelBlock: await channelBlock() }),
    },
    memory: {
      machine: totalmem(),
      free: freeMemory(),
      ...(Number.isFinite(limits.memory) && limits.memory < totalmem() && { groupLimit: limits.memory }),
      usable: memoryLimit(),
    },
    cache: await examineCache(),
    gpus,
    onnxRuntime: { version: onnxRuntimeVersion(), providers },
    auto,
    threads: { sessions: sessions.length, perSession: sessions[0].threads, workers: processors },
  };
}

/** The name of the system, e.g. `Debian GNU/Linux 12 (bookworm)`, else the kernel's release. */
function systemName(): string {
  return /^PRETTY_NAME="?([^"\n]+)/m.exec(read('/etc/os-release'))?.[1] ?? release();
}

/** Memory that programs can have. Unlike `os.freemem`, this counts the system's file cache as free. */
function freeMemory(): number {
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec(read('/proc/meminfo'))?.[1];
  return available ? Number(available) * 1024 : freemem();
}

async function examineCache(): Promise<Examination['cache']> {
  const folder = cacheFolder();
  try {
    await makeFolder(folder);
    await access(folder, constants.W_OK);
    const { bavail, bsize } = await statfs(folder);
    return { folder, free: bavail * bsize };
  } catch (error) {
    return { folder, fault: messageOf(error) };
  }
}

function onnxRuntimeVersion(): string {
  const main = createRequire(import.meta.url).resolve('onnxruntime-node');
  const { version } = createRequire(import.meta.url)(join(dirname(main), '../package.json'));
  return version;
}
