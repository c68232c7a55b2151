import { z } from 'zod';
import { OptionError, show } from '../errors.js';
import { loadPipelineTexts } from '../pipeline/load.js';
import type { Registry } from '../pipeline/registry.js';
import type { Pipeline } from '../pipeline/types.js';

const model = z.object({ name: z.string(), sha256: z.string(), card: z.string() });

/** What everybody who works on a queued run has to know of it. It contains no voxels and no secrets. */
const runSpec = z.object({
  /** The name of the run in its queue. */
  name: z.string(),
  /** The version of voxstream that submitted it. */
  version: z.string(),
  /** ISO 8601. */
  submitted: z.string(),
  /** The output folder: an absolute path. */
  output: z.string(),
  /** The pipeline files: absolute paths and contents. Values of environment variables are not in it. */
  files: z.array(z.object({ name: z.string(), text: z.string() })).min(1),
  /** Overrides of the form PATH=VALUE. */
  set: z.array(z.string()),
  input: z.string().optional(),
  strict: z.boolean(),
  /** The fingerprint of the pipeline and its models. */
  identity: z.string(),
  models: z.array(model),
  /** A hash of the ids of all cases in the dataset. */
  dataset: z.string(),
  /** The number of cases. */
  cases: z.int().min(1),
  /** Runs with a higher priority are worked on first. */
  priority: z.int(),
  /** The context of the trace that the run belongs to (W3C traceparent). */
  traceparent: z.string().optional(),
});

export type RunSpec = Readonly<z.infer<typeof runSpec>>;

/**
 * Parses the text of a run's specification.
 *
 * @param place Where it was found, for messages.
 */
export function parseSpec(text: string, place: string): RunSpec {
  try {
    return runSpec.parse(JSON.parse(text));
  } catch (error) {
    throw new OptionError(`${place} is not a run that this version of voxstream can read.`, { cause: error });
  }
}

/** Checks the name of a run. Throws OptionError. */
export function checkRunName(name: string): string {
  if (/^[\w.-]{1,64}$/.test(name)) return name;
  throw new OptionError(
    `The name of the run is ${show(name)}, but it must be 1 to 64 letters, digits, dots, dashes or underscores.`,
  );
}

/** How a pipeline is loaded that somebody else submitted. */
export interface SpecOptions {
  readonly registry: Registry;
  readonly runtimeDefaults?: Readonly<Record<string, unknown>>;
  /** Further overrides, e.g. of the device. */
  readonly set?: readonly string[];
}

/** Loads the pipeline of a run. */
export function pipelineOf(
  { files, set, input, output }: RunSpec,
  { set: more = [], ...options }: SpecOptions,
): Promise<Pipeline> {
  return loadPipelineTexts(files, {
    set: [...set, `output=${JSON.stringify(output)}`, ...more],
    ...(input !== undefined && { input }),
    ...options,
  });
}
