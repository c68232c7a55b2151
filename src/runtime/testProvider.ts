import { askChild } from './askChild.js';
import { findGpus } from './gpus.js';
import { adviceFor, missingLibrary } from './providerAdvice.js';
import type { ProviderReply } from './providerTest.js';

/** The result of a provider's test. */
export type ProviderTest =
  | {
      readonly provider: string;
      readonly ok: true;
      /** Seconds to load the test's model, and to run it for the first time. */
      readonly seconds: { readonly load: number; readonly run: number };
      /** The GPUs it runs on, as far as the system shows; empty for the processor. */
      readonly gpus: readonly string[];
      /**
       * True if it runs on the processor through a GPU interface (SwiftShader, llvmpipe): slower than `cpu`.
       */
      readonly software: boolean;
      /** The providers that ONNX Runtime's binary for this platform contains. */
      readonly known: readonly string[];
    }
  | {
      readonly provider: string;
      readonly ok: false;
      /** The provider's error message. */
      readonly why: string;
      /** What to do, as sentences; may be empty. */
      readonly advice: readonly string[];
    };

/** Timeout of a test. Loading CUDA from a slow disk, or building a TensorRT engine, takes a while. */
const testSeconds = 60;

/**
 * Tests a provider: it runs a 3D convolution and a ReLU in a child process, so that crashes and hangs stay
 * there, and the result is compared. Operations that the provider does not support fail the test instead of
 * running on the CPU.
 *
 * @param number Selects one of several devices.
 */
export async function testProvider(provider: string, number = 0, gpus = findGpus()): Promise<ProviderTest> {
  const asked = await askChild<ProviderReply>(
    new URL('./providerTest.js', import.meta.url),
    [provider, String(number)],
    testSeconds,
  );
  if ('reply' in asked && asked.reply.ok) {
    const { seconds, deviceFiles, providers } = asked.reply;
    const used = gpus.filter(({ file }) => file === undefined || deviceFiles.includes(file));
    return {
      provider,
      ok: true,
      seconds,
      gpus: provider === 'cpu' ? [] : [...new Set(used.map(({ name }) => name))],
      // The driver of a real GPU keeps its device file open, and Vulkan prefers it to a software driver.
      software: provider === 'webgpu' && process.platform === 'linux' && deviceFiles.length === 0,
      known: providers,
    };
  }
  const reply = 'reply' in asked && !asked.reply.ok ? asked.reply : undefined;
  const why = reply?.message ?? ('fault' in asked ? asked.fault : 'it failed');
  const fault = { why: `${why}\n${asked.stderr}`, noVulkan: reply?.noVulkan };
  return { provider, ok: false, why: tidy(why, asked.stderr), advice: adviceFor(provider, fault, gpus) };
}

/** The first line of a message, with the library that was not found, which ONNX Runtime only logs. */
function tidy(message: string, stderr: string): string {
  const missing = missingLibrary(stderr);
  const thrown = /^\s*(?:\w*Error): (.+)$/m.exec(stderr)?.[1];
  // ONNX Runtime starts some messages with the place in its source and the failed condition.
  const text = message.replace(/^\S+:\d+ .* was false\. /, '');
  const first = text.startsWith('its process') && thrown ? `${text}: ${thrown}` : text;
  const line = first.trim().split('\n')[0].replace(/\.$/, '');
  return missing && !line.includes(missing) ? `${line} (${missing} is missing)` : line;
}
