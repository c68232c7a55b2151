import type { PageData } from '../../browserData.js';
import {
  mergeNotes,
  notesFile,
  notesJson,
  parseNotes,
  type UserNote,
  type UserNotes,
} from '../../userNotes.js';
import { download } from './download.js';

/** What became of a request to save the notes. */
export type SaveOutcome = 'written' | 'downloaded' | 'cancelled';

/** The part of the File System Access API that is used here. Not every browser has it. */
type ShowSaveFilePicker = (options: { suggestedName: string; types: object[] }) => Promise<{
  createWritable(): Promise<{ write(content: string): Promise<void>; close(): Promise<void> }>;
}>;

const nothingNoted: UserNote = { flagged: false, text: '', changed: '1970-01-01T00:00:00.000Z' };

/**
 * The notes on cases. The page has those of `notes.json`. A page cannot write into its folder, so changes are
 * kept in the browser's storage until the user saves a new `notes.json`, and `voxstream report` puts it into
 * the page.
 */
export class CaseNotes {
  #notes: Map<string, UserNote>;
  readonly #ofPage: UserNotes;
  readonly #storageKey = `voxstream-notes:${location.pathname}`;
  readonly #listeners: (() => void)[] = [];

  constructor({ cases, otherNotes }: PageData) {
    const noted = cases.flatMap(({ id, note }) => (note ? [[id, note] as const] : []));
    this.#ofPage = new Map([...otherNotes, ...noted]);
    this.#notes = mergeNotes(this.#ofPage, this.#stored());
  }

  of(id: string): UserNote {
    return this.#notes.get(id) ?? nothingNoted;
  }

  /** Calls a function after each change. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  set(id: string, change: Partial<UserNote>): void {
    this.#notes.set(id, { ...this.of(id), ...change, changed: new Date().toISOString() });
    this.#changed();
  }

  /** Adds the notes of another file. Of two notes on a case, the newer one stays. */
  add(content: string): void {
    this.#notes = mergeNotes(this.#notes, parseNotes(content));
    this.#changed();
  }

  /** How many notes are not in the page yet. */
  get unsaved(): number {
    return [...this.#notes].filter(([id, note]) => !sameNote(this.#ofPage.get(id), note)).length;
  }

  /** Saves all notes: to a file that the user chooses, or as a download. */
  async save(): Promise<SaveOutcome> {
    const content = notesJson(this.#notes);
    const { showSaveFilePicker } = window as { showSaveFilePicker?: ShowSaveFilePicker };
    if (showSaveFilePicker) {
      try {
        const types = [{ description: 'Notes', accept: { 'application/json': ['.json'] } }];
        const file = await showSaveFilePicker({ suggestedName: notesFile, types });
        const writer = await file.createWritable();
        await writer.write(content);
        await writer.close();
        return 'written';
      } catch (error) {
        if ((error as Error).name === 'AbortError') return 'cancelled';
        // The browser has the function, but does not allow it here.
      }
    }
    download(notesFile, new Blob([content], { type: 'application/json' }));
    return 'downloaded';
  }

  #changed(): void {
    try {
      const changed = new Map([...this.#notes].filter(([id, note]) => !sameNote(this.#ofPage.get(id), note)));
      if (changed.size > 0) localStorage.setItem(this.#storageKey, notesJson(changed));
      else localStorage.removeItem(this.#storageKey);
    } catch {
      // Without storage, changes last until the page is closed.
    }
    for (const listener of this.#listeners) listener();
  }

  #stored(): UserNotes {
    try {
      const content = localStorage.getItem(this.#storageKey);
      return content === null ? new Map() : parseNotes(content);
    } catch {
      return new Map();
    }
  }
}

/** Whether two notes say the same. A case without a note is the same as one with an empty note. */
function sameNote(a: UserNote = nothingNoted, b: UserNote = nothingNoted): boolean {
  return a.flagged === b.flagged && a.text === b.text;
}
