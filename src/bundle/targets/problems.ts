import { OptionError } from '../../errors.js';
import { normalizeId, separator } from '../config/tree.js';

/**
 * Collects everything of a configuration that has no counterpart in voxstream, to report all of it at
 * once.
 */
export class Problems {
  readonly #lines: string[] = [];
  readonly #notes: string[] = [];

  /**
   * @param id Where it stands.
   * @param clause What is wrong, as a clause.
   */
  add(id: string, clause: string): void {
    const line = `${normalizeId(id).replaceAll(separator, '#')} ${clause.replace(/\.$/, '')}`;
    if (!this.#lines.includes(line)) this.#lines.push(line);
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Adds something that is done in another way than in MONAI, as a sentence without a full stop. */
  note(id: string, clause: string): void {
    const line = `${normalizeId(id).replaceAll(separator, '#')} ${clause}.`;
    if (!this.#notes.includes(line)) this.#notes.push(line);
  }

  get notes(): readonly string[] {
    return this.#notes;
  }

  /** Throws OptionError with all problems, if there are some. */
  throwIfAny(file: string): void {
    if (this.#lines.length === 0) return;
    const list = this.#lines.map((line) => `  ${line}\n`).join('');
    throw new OptionError(
      `${file} asks for what voxstream does not have, so nothing was started:\n${list}` +
        'Override or disable these entries on the command line: --ID VALUE, or --ID#_disabled_ True',
    );
  }
}
