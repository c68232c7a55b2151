import { joinPlace } from '../address.js';
import { listNames, OptionError } from '../errors.js';
import { maskOf } from '../mask.js';
import { assemble } from '../pipeline/assemble.js';
import { readCaseList } from '../pipeline/caseList.js';
import { describePipeline } from '../pipeline/describePipeline.js';
import type { Pipeline } from '../pipeline/types.js';
import type { Results } from './results.js';
import type { RunSpec } from './spec.js';

/** The outcome of collecting a run's results. */
export interface Collected {
  readonly done: number;
  readonly failed: number;
  /** Cases that are neither done nor failed yet. */
  readonly open: number;
  /** One sentence for each file that could not be written. */
  readonly problems: readonly string[];
}

/**
 * Writes the tables, the summary, the report and the journal of a queued run from the results of its cases,
 * as one process that ran all of them would have. Cases that are not over yet are left out; it can be called
 * again later.
 *
 * @throws OptionError if a run in the folder's own process, or another collection, uses the folder.
 */
export async function collect(
  results: Results,
  spec: RunSpec,
  pipeline: Pipeline,
  onWarning?: (message: string) => void,
): Promise<Collected> {
  const { output } = results;
  const order = await readCaseList(output);
  if (order?.length !== spec.cases) {
    throw new OptionError(
      `${joinPlace(output, '.voxstream', 'cases.json')} is not the list of the ${spec.cases} case(s) of the run ${spec.name}. Submit the ` +
        'run again with --resume.',
    );
  }
  const { done, failed } = await results.read(pipeline.secrets);
  const open = spec.cases - done.size - failed.size;
  const failures = [...failed].sort(([a], [b]) => a - b).map(([, failure]) => failure);
  const providers = [...new Set([...done.values()].flatMap(({ provider }) => provider ?? []))].sort();
  const ended = Math.max(Date.parse(spec.submitted), await results.lastChange());
  const problems = await assemble({
    output,
    sinks: pipeline.sinks,
    seed: pipeline.runtime.seed,
    secrets: pipeline.secrets,
    order,
    finished: new Map([...done.values()].map((entry) => [entry.case, entry])),
    failures,
    provenance: {
      pipeline: maskOf(pipeline)(describePipeline(pipeline)),
      files: pipeline.files,
      identity: spec.identity,
      models: spec.models,
      device: providers.length > 0 ? listNames(providers) : pipeline.runtime.device,
      started: spec.submitted,
      cases: new Set(order).size,
      dataset: spec.dataset,
      queue: spec.name,
    },
    // A report shows a run without seconds as unfinished.
    outcome: open > 0 ? {} : { seconds: (ended - Date.parse(spec.submitted)) / 1000 },
    onWarning,
  });
  if (open === 0 && problems.length === 0) await results.markClosed();
  return { done: done.size, failed: failures.length, open, problems };
}
