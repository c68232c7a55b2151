import { unknownName } from '../errors.js';
import type { AnyOperatorDefinition } from '../operators/define.js';
import { operatorDefinitions } from '../operators/index.js';
import type { AnySinkDefinition } from '../sinks/define.js';
import { sinkDefinitions } from '../sinks/index.js';
import type { AnySourceDefinition } from '../sources/define.js';
import { sourceDefinitions } from '../sources/index.js';

/** What a pipeline file can name. */
export interface Registry {
  readonly operators: ReadonlyMap<string, AnyOperatorDefinition>;
  readonly sources: ReadonlyMap<string, AnySourceDefinition>;
  readonly sinks: ReadonlyMap<string, AnySinkDefinition>;
}

/** Definitions from elsewhere; one with the name of a built-in one replaces it. */
export interface Extensions {
  readonly operators?: readonly AnyOperatorDefinition[];
  readonly sources?: readonly AnySourceDefinition[];
  readonly sinks?: readonly AnySinkDefinition[];
}

/** The operators, sources and sinks that come with voxstream, and any others. */
export function createRegistry(extra: Extensions = {}): Registry {
  const byName = <T extends { name: string }>(...lists: readonly (readonly T[])[]) =>
    new Map(lists.flat().map((definition) => [definition.name, definition]));
  return {
    operators: byName(operatorDefinitions, extra.operators ?? []),
    sources: byName(sourceDefinitions, extra.sources ?? []),
    sinks: byName(sinkDefinitions, extra.sinks ?? []),
  };
}

/** The clause for a name that a part of the registry does not have. */
export function unknownDefinition(what: string, name: string, known: ReadonlyMap<string, unknown>): string {
  return unknownName(what, name, [...known.keys()]);
}
