import { existsSync } from 'node:fs';
import { listNames } from '../errors.js';
import type { Gpu } from './gpus.js';

/** The command that downloads ONNX Runtime's CUDA and TensorRT providers. */
const fetchCuda = 'npm rebuild onnxruntime-node --ignore-scripts=false';

/** Debian's software Vulkan driver, part of its package `chromium`. */
const swiftShader = '/usr/lib/chromium/vk_swiftshader_icd.json';

/**
 * How to make a provider work that failed its test, as sentences.
 *
 * @param fault The messages of the provider and of the libraries it loaded; whether the Vulkan loader is
 * missing.
 * @param gpus The GPUs of this machine.
 */
export function adviceFor(
  provider: string,
  { why, noVulkan }: { readonly why: string; readonly noVulkan?: boolean },
  gpus: readonly Gpu[],
): string[] {
  if (/onnxruntime_binding\.node/.test(why)) {
    return [
      `ONNX Runtime's npm package has no binary that loads on ${process.platform}/${process.arch}. If it ` +
        'is damaged, "npm ci" reinstalls it.',
    ];
  }
  const advice: string[] = [];
  const locked = gpus.filter(({ usable }) => !usable);
  if (locked.length > 0) {
    advice.push(
      `This user may not open ${listNames(locked.map(({ file }) => file ?? ''))}: add the user to the ` +
        "file's group (sudo usermod -aG render,video USER), then log in again.",
    );
  }
  if (provider === 'cuda' || provider === 'tensorrt') {
    if (!gpus.some(({ vendor }) => vendor === 'nvidia')) {
      return [
        'No NVIDIA GPU was found (there is no /dev/nvidia0). Install its driver; in a container, pass the ' +
          'GPU through (docker run --gpus all).',
      ];
    }
    advice.push(...cudaAdvice(provider, missingLibrary(why)));
  }
  if (provider === 'webgpu' && process.platform === 'linux') {
    if (noVulkan) {
      advice.push(
        'The Vulkan loader libvulkan.so.1 is missing: sudo apt install libvulkan1 (Fedora: dnf install ' +
          'vulkan-loader)',
      );
    }
    advice.push(...vulkanAdvice(gpus));
  }
  return advice;
}

/** The library that ONNX Runtime reports as not found by the system's loader. */
export function missingLibrary(text: string): string | undefined {
  const path = /([^\s:]+): cannot open shared object file/.exec(text)?.[1];
  return path?.slice(path.lastIndexOf('/') + 1);
}

function cudaAdvice(provider: string, library: string | undefined): string[] {
  if (!library) return [];
  if (library.startsWith('libonnxruntime_providers_')) {
    return [`Download the provider (several hundred MB): ${fetchCuda}`];
  }
  const also = provider === 'tensorrt' ? ' and TensorRT 10' : '';
  return [
    `${library} is missing: install CUDA 12 with cuDNN 9${also}, and add its folder to LD_LIBRARY_PATH.`,
  ];
}

function vulkanAdvice(gpus: readonly Gpu[]): string[] {
  const chosen = (process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES ?? '')
    .split(':')
    .filter(Boolean);
  const lost = chosen.filter((file) => !existsSync(file));
  if (lost.length > 0) return [`VK_DRIVER_FILES names ${listNames(lost)}, which does not exist.`];
  if (gpus.length === 0) {
    const trial = existsSync(swiftShader)
      ? ` To try WebGPU without one, slowly: VK_DRIVER_FILES=${swiftShader}`
      : '';
    return [`No GPU was found (there is neither /dev/nvidia0 nor /dev/dri/renderD128).${trial}`];
  }
  const advice: string[] = [];
  const makers = new Set(gpus.map(({ vendor }) => vendor));
  if (makers.has('nvidia')) {
    advice.push(
      "NVIDIA's Vulkan driver is part of its display driver; a container needs " +
        'NVIDIA_DRIVER_CAPABILITIES=all. If nvidia_icd.json is not in /usr/share/vulkan/icd.d, give its ' +
        'place: VK_DRIVER_FILES=PATH/nvidia_icd.json',
    );
  }
  if (makers.has('amd') || makers.has('intel')) {
    advice.push('Install the Vulkan drivers of AMD and Intel GPUs: sudo apt install mesa-vulkan-drivers');
  }
  return advice;
}
