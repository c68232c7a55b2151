import type { Runtime } from '../runtime/runtime.js';
import type { RunEvent } from './events.js';
import type { Selection } from './select.js';

/** How a pipeline is run. */
export interface RunOptions extends Selection {
  /** Skip what an earlier run into the same folder finished, if inputs, pipeline, models and version are the same. */
  readonly resume?: boolean;
  /** Replace files that no run in the output folder is known to have written. Default: such a run is refused. */
  readonly overwrite?: boolean;
  /** Aborting it ends the run: no further case is started, and open cases are abandoned. */
  readonly signal?: AbortSignal;
  /** Called with each event. */
  readonly onEvent?: (event: RunEvent) => void;
  /** Where to run. Default: a runtime as the pipeline's `runtime` block says, closed at the end of the run. */
  readonly runtime?: Runtime;
}
