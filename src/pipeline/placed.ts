import type { Definition } from '../options.js';

/** Validated options with defaults filled in. */
export type Options = Readonly<Record<string, unknown>>;

/**
 * A step, sink or source of a pipeline: its definition, its validated options, and what was built from them.
 */
export interface Placed<Built> {
  /** Its name in timings, failures and overrides. Unique among steps and among sinks. */
  readonly id: string;
  readonly definition: Definition<Built>;
  readonly options: Options;
  readonly built: Built;
}
