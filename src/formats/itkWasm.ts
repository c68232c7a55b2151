import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PipelineInput, PipelineOutput } from 'itk-wasm';

/** A package of itk-wasm that has pipelines. */
type ItkPackage = '@itk-wasm/dicom' | '@itk-wasm/image-io';

let last: Promise<unknown> = Promise.resolve();

/**
 * Runs a pipeline of an itk-wasm package on data in memory, one after the other, and returns its outputs. The
 * package is loaded when it is needed for the first time.
 *
 * @throws Error with a clause that says what is wrong.
 */
export function runItkPipeline(
  from: ItkPackage,
  name: string,
  args: readonly string[],
  outputs: readonly PipelineOutput[],
  inputs: readonly PipelineInput[],
): Promise<readonly PipelineOutput[]> {
  const run = last.then(async () => {
    const { runPipelineNode } = await import('itk-wasm');
    const pipeline = join(dirname(fileURLToPath(import.meta.resolve(from))), 'pipelines', name);
    const result = await quietly(() =>
      runPipelineNode(pipeline, [...args], [...outputs], [...inputs], new Set()),
    );
    if (result.returnValue === 0) return result.outputs;
    throw new Error(result.stderr.trim() || `itk-wasm ended with ${result.returnValue}`);
  });
  last = run.catch(() => {});
  return run;
}

/**
 * itk-wasm prints what it throws, on stdout too, where events as JSON go. It throws addresses of C++
 * exceptions.
 */
async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const { log, error } = console;
  console.log = () => {};
  console.error = () => {};
  try {
    return await work();
  } catch (thrown) {
    throw typeof thrown === 'number' ? new Error('itk-wasm cannot read it') : thrown;
  } finally {
    console.log = log;
    console.error = error;
  }
}
