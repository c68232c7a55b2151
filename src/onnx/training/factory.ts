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

/**
 * What is written once of a loss, an optimizer or a schedule. Its types, help, schema and reference derive
 * from it.
 */
export interface FactorySpec<T extends OptionTypes, Built> extends Described<T, never> {
  readonly create: (options: OptionValues<T>) => Built;
}

/** Makes the definition. */
export function factory<const T extends OptionTypes, Built>(spec: FactorySpec<T, Built>): Factory<T, Built> {
  const { create, ...described } = spec;
  const call = (options?: GivenOptions<T>) => create(parseOptions(spec, options));
  const definition = { ...described, configure: configurator(spec, create) };
  return callable(call, definition);
}
