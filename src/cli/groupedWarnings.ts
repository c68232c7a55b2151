import { listSome } from '../metrics/table.js';
import { groupNotes, noteKind } from '../report/groupNotes.js';

/**
 * Shows a warning about a case once, although it may concern many cases: the first in full, and at the end
 * which other cases it concerns.
 */
export class GroupedWarnings {
  readonly #kinds = new Set<string>();
  readonly #others: (readonly [id: string, text: string])[] = [];

  /** Whether a warning is the first of its kind and is to be shown now. */
  isNew({ case: id, message }: { readonly case?: string; readonly message: string }): boolean {
    if (id === undefined) return true;
    const kind = noteKind(id, message);
    const known = this.#kinds.has(kind);
    this.#kinds.add(kind);
    if (known) this.#others.push([id, message]);
    return !known;
  }

  /** Lines about the warnings that were not shown. Empties the list. */
  closing(): string[] {
    return groupNotes(this.#others.splice(0)).map(
      ({ text, cases }) => `Warning: the same for ${cases.length} more case(s), ${listSome(cases)}: ${text}`,
    );
  }
}
