import { OptionError } from '../errors.js';
import type { Mask } from '../mask.js';
import type { Draft, PipelineFile } from './document.js';
import type { Override } from './overrides.js';

/** Collects the faults of a pipeline, each with the file and line, or the override, that causes it. */
export class Faults {
  readonly #sentences = new Set<string>();

  constructor(
    readonly files: readonly PipelineFile[],
    /** The overrides as text and, in the same order, parsed. */
    readonly set: readonly string[],
    readonly overrides: readonly Override[],
  ) {}

  get count(): number {
    return this.#sentences.size;
  }

  /** Adds a fault at a path of the merged pipeline. */
  add(path: readonly PropertyKey[], sentence: string): void {
    const text = path.map(String);
    const override = this.set.findLast((_, i) => setsWhat(this.overrides[i].path, text));
    this.#sentences.add(`${override ? `--set ${override}` : this.placeOf(text)}: ${sentence}`);
  }

  /** Adds a fault whose sentence already states its location. */
  addPlaced(sentence: string): void {
    this.#sentences.add(sentence);
  }

  /**
   * `FILE:LINE` of a path, in the file that contains the longest part of it. If several do, in the last one.
   */
  placeOf(path: readonly string[]): string {
    let best = { file: this.files[0].file, line: 1, depth: -1 };
    for (const { file, draft, lineOf } of this.files) {
      const found = lineOf(numbered(draft, path));
      if (found.depth >= best.depth) best = { file, ...found };
    }
    return `${best.file}:${best.line}`;
  }

  /** Throws OptionError with one line per fault, if there are any. `mask` hides environment variables. */
  throwAny(mask: Mask): void {
    if (this.#sentences.size > 0) throw new OptionError(mask([...this.#sentences].join('\n')));
  }
}

/**
 * True if an override sets the value at `path`. An override may name a step by its id alone and may omit the
 * source's name.
 */
function setsWhat(override: readonly string[], path: readonly string[]): boolean {
  const shortened = path[0] === 'steps' || path[0] === 'sinks' ? [path[1], ...path.slice(3)] : path;
  const inSource = path[0] === 'source' ? ['source', ...path.slice(2)] : path;
  return [path, shortened, inSource].some((form) => override.every((part, i) => form[i] === part));
}

/** The path of a step given by id, with the step's number in this file instead. */
function numbered(draft: Draft, [list, id, ...rest]: readonly string[]): (string | number)[] {
  if (id === undefined || (list !== 'steps' && list !== 'sinks'))
    return [list, ...(id === undefined ? [] : [id]), ...rest];
  const entry = draft[list].find((candidate) => candidate.id === id);
  return entry ? [list, entry.number - 1, ...rest] : [list];
}
