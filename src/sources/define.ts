import { isAbsolute, relative, resolve, sep } from 'node:path';
import type { z } from 'zod';
import type { Case } from '../case.js';
import { DataError } from '../errors.js';
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
  type RestValues,
} from '../options.js';

/** A case that cannot be opened: it goes straight to the failures. */
export interface RefusedCase {
  readonly id: string;
  /** Why, as a full sentence. */
  readonly refused: string;
}

/** What a source yields: cases without voxels, or the reason why there is none. */
export type SourceItem = Case | RefusedCase;

/** What a source gets besides its options. */
export interface SourceContext {
  /** Takes what a source left out or assumed, as a full sentence. */
  readonly onWarning: (message: string) => void;
}

/** A source with options that were checked. */
export interface OpenableSource {
  /**
   * Lists the cases in dataset order; throws OptionError or DataError if there is no such dataset.
   *
   * @param context Default: warnings go to `process.emitWarning`.
   */
  readonly open: (context?: SourceContext) => AsyncIterable<SourceItem>;
}

const standalone: SourceContext = { onWarning: (message) => process.emitWarning(message) };

/** What is written once of a source. Its types, help, JSON Schema and reference page all derive from it. */
export interface SourceSpec<T extends OptionTypes, Rest extends z.ZodType> extends Described<T, Rest> {
  /** Lists the cases in dataset order; throws OptionError or DataError if there is no such dataset. */
  readonly open: (
    options: OptionValues<T> & RestValues<Rest>,
    context: SourceContext,
  ) => AsyncIterable<SourceItem>;
}

/** A source as a registry holds it, whatever its options are. */
export type AnySource = Definition<OpenableSource>;

/**
 * A source: call it with options for its cases, `from(decathlon({ … }))` in RxJS, or put it into a registry for use in
 * pipeline files. The cases throw DataError at one that cannot be opened.
 *
 * @throws OptionError when called, if options are faulty.
 */
export interface Source<
  T extends OptionTypes,
  Rest extends z.ZodType = never,
  Given = GivenOptions<T> & RestValues<Rest>,
> extends AnySource {
  (...args: OptionsThen<T, Given>): AsyncGenerator<Case>;
  readonly options: T;
  /** Never set: it carries the type of the options; see `OptionsOf`. */
  readonly given?: Given;
}

/** Defines a source. */
export function source<const T extends OptionTypes, Rest extends z.ZodType = never>(
  spec: SourceSpec<T, Rest>,
): Source<T, Rest> {
  const { open, ...described } = spec;
  const configure = configurator(
    spec,
    (options): OpenableSource => ({ open: (context = standalone) => open(options, context) }),
  );
  const call = (options?: GivenOptions<T> & RestValues<Rest>) =>
    casesOf(open(parseOptions(spec, options), standalone));
  return callable(call, { ...described, configure });
}

async function* casesOf(items: AsyncIterable<SourceItem>): AsyncGenerator<Case> {
  for await (const item of items) {
    if ('refused' in item) throw new DataError(item.refused);
    yield item;
  }
}

/**
 * The absolute path of a dataset's entry, or undefined when it leaves `root`: with `..`, or as an absolute path to
 * elsewhere. Symbolic links inside the dataset are followed: they are the work of who set it up.
 */
export function pathInside(root: string, entry: string): string | undefined {
  const path = resolve(root, entry);
  const inside = relative(resolve(root), path);
  return inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside) ? undefined : path;
}

/** A case of files that a dataset names; refused when one of them leaves the dataset's folder. */
export function caseInside(
  id: string,
  root: string,
  entries: Readonly<Record<string, string>>,
  labelNames?: Case['labelNames'],
): SourceItem {
  const files: Record<string, string> = {};
  for (const [key, entry] of Object.entries(entries)) {
    const path = pathInside(root, entry);
    if (!path) {
      return {
        id,
        refused: `The ${key} of case ${id} is "${entry}", which leaves the dataset's folder ${root}; nothing outside it is read.`,
      };
    }
    files[key] = path;
  }
  return { id, files, volumes: {}, metrics: [], timings: {}, ...(labelNames && { labelNames }) };
}
