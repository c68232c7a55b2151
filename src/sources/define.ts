import { isAbsolute, relative, resolve, sep } from 'node:path';
import type { z } from 'zod';
import type { Case } from '../case.js';
import { DataError } from '../errors.js';
import { type OptionTypes, parseOptions } from '../operators/define.js';

/** A case that cannot be opened: it goes straight to the failures. */
export interface RefusedCase {
  readonly id: string;
  /** Why, as a full sentence. */
  readonly refused: string;
}

/** What a source yields: cases without voxels, or the reason why there is none. */
export type SourceItem = Case | RefusedCase;

/** What the registry knows of a source; see `OperatorDefinition` for the fields. */
export interface SourceDefinition<Options> {
  readonly name: string;
  readonly summary: string;
  readonly options: OptionTypes<Options>;
  /** The type of options under names that are not listed. */
  readonly rest?: z.ZodType;
  readonly check?: (options: Options) => string[];
  readonly example: Partial<Options>;
  /** Lists the cases in dataset order; throws OptionError or DataError when there is no such dataset. */
  readonly open: (options: Options) => AsyncIterable<SourceItem>;
}

/** A source definition whatever its options are. */
export interface AnySourceDefinition extends Pick<SourceDefinition<object>, 'name' | 'summary' | 'rest'> {
  readonly options: Readonly<Record<string, z.ZodType>>;
  readonly check?: (options: never) => string[];
  readonly example: object;
  readonly open: (options: never) => AsyncIterable<SourceItem>;
}

/** Definition of a source, its options typed against `Options`. */
export function defineSource<Options>(definition: SourceDefinition<Options>): SourceDefinition<Options> {
  return definition;
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
  return { id, files, volumes: {}, metrics: {}, timings: {}, ...(labelNames && { labelNames }) };
}

/**
 * The cases of a source for use without the engine, `from(decathlon({ … }))` in RxJS. Throws DataError at a case that
 * cannot be opened.
 */
export async function* openCases<Options>(
  definition: SourceDefinition<Options>,
  options: Partial<Options>,
): AsyncGenerator<Case> {
  for await (const item of definition.open(parseOptions(definition, options))) {
    if ('refused' in item) throw new DataError(item.refused);
    yield item;
  }
}
