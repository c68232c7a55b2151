import {
  callable,
  configurator,
  type Definition,
  type Described,
  type GivenOptions,
  type OptionsThen,
  type OptionTypes,
  type OptionValues,
  parseOptions,
} from '../../options.js';

/**
 * The definition of a loss, an optimizer or a learning-rate schedule: call it with options, or put it into a
 * registry for use in pipeline files.
 *
 * @throws OptionError when called, if options are faulty.
 */
export interface Factory<T extends OptionTypes, Built, Given = GivenOptions<T>> extends Definition<Built> {
  (...args: OptionsThen<T, Given>): Built;
  readonly options: T;
  /** Never set: it carries the type of the options; see `OptionsOf`. */
  readonly given?: Given;
}

/** Defines a loss, an optimizer or a schedule: what it is called, what options it has, and what it builds. */
export function factory<const T extends OptionTypes, Built>(
  described: Described<T, never>,
  build: (options: OptionValues<T>) => Built,
): Factory<T, Built> {
  const call = (options?: GivenOptions<T>) => build(parseOptions(described, options));
  const definition = { ...described, configure: configurator(described, build) };
  return callable(call, definition);
}
