import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';

/** A description of what is missing on this machine, or undefined where it is present. */
export type Missing = string | undefined;

/**
 * A test that needs more than the repository and Node. Where something is missing, the test is skipped and
 * counted, and the runner (scripts/testFiles.mjs) lists it by name, together with what it needs.
 */
export function testNeeding(
  needs: Missing | readonly Missing[],
  name: string,
  run: () => void | Promise<void>,
): void {
  const missing = [needs].flat().filter((need) => need !== undefined);
  if (missing.length === 0) {
    test(name, run);
    return;
  }
  test.skip(name, run);
  console.log(`SKIPPED ${name} (needs ${missing.join(' and ')})`);
}

/**
 * The development folder beside the repository. It holds real CTs and models that are too large for the
 * repository.
 */
const sharedFolder = fileURLToPath(new URL('../../../shared/', import.meta.url));

/** The path of a file or folder in the development folder `../shared`, whether or not it exists. */
export const sharedPath = (path: string): string => `${sharedFolder}${path}`;

/** The need for a file or folder of `../shared`. */
export const shared = (path: string): Missing =>
  existsSync(sharedPath(path)) ? undefined : `../shared/${path}`;

const driver = '/usr/lib/chromium/vk_swiftshader_icd.json';

/**
 * The variables that make WebGPU run on SwiftShader, a Vulkan driver for the CPU that comes with Debian's
 * chromium.
 */
export const swiftShaderEnv = { VK_DRIVER_FILES: driver };

/** The need for WebGPU on SwiftShader: the driver and the Vulkan loader. */
export const swiftShader: Missing =
  existsSync(driver) && existsSync('/usr/lib/x86_64-linux-gnu/libvulkan.so.1')
    ? undefined
    : 'WebGPU on SwiftShader: apt-get install chromium libvulkan1';

/** The browser in which pages are tested. */
export const browserPath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

/** The need for that browser. */
export const browser: Missing = existsSync(browserPath)
  ? undefined
  : 'a browser: apt-get install chromium, or set CHROMIUM to its path';

/** The need for Linux. */
export const linux: Missing = process.platform === 'linux' ? undefined : 'Linux';

/** The need for a program of a Debian package. */
export const program = (name: string, debianPackage: string): Missing =>
  (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(`${folder}/${name}`))
    ? undefined
    : `${name}: apt-get install ${debianPackage}`;

/** The need for the superuser, who can make files of other users. */
export const root: Missing = process.getuid?.() === 0 ? undefined : 'root';
