import type { Runtime } from '../runtime/runtime.js';
import type { RunEvent } from './events.js';
import type { Selection } from './select.js';

/** Options of a run. */
export interface RunOptions extends Selection {
  /**
   * Skip cases that an earlier run into the same folder finished, if inputs, pipeline, models and version are
   * unchanged. Files are unchanged if their sizes and modification times are; with `checksum`, if their
   * contents are. For that, the earlier run must have been started with `checksum` too.
   */
  readonly resume?: boolean | 'checksum';
  /**
   * Replace files that no run in the output folder is known to have written. Default: such a run is refused.
   */
  readonly overwrite?: boolean;
  /**
   * Refuse to run a model on volumes that are not what its card states: orientation, voxel size, channels and
   * preprocessing. Default: a warning.
   */
  readonly strict?: boolean;
  /** Aborting it ends the run: no more cases start, and open cases are abandoned. */
  readonly signal?: AbortSignal;
  /** Called with each event. */
  readonly onEvent?: (event: RunEvent) => void;
  /** Called with the error of each case that fails, with its stack. */
  readonly onFault?: (caseId: string, error: unknown) => void;
  /**
   * The runtime to use. Default: one created from the pipeline's `runtime` block and closed at the end of the
   * run.
   */
  readonly runtime?: Runtime;
}
