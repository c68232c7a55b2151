import { listSome } from '../metrics/table.js';

/** Notes of several cases that say the same, except for the name of the case. */
export interface NoteGroup {
  /** The note of the first case. */
  readonly text: string;
  /** The ids of the cases. */
  readonly cases: readonly string[];
}

/** Groups the notes of cases, in the order in which they first occur. */
export function groupNotes(notes: Iterable<readonly [id: string, text: string]>): NoteGroup[] {
  const groups = new Map<string, { text: string; cases: string[] }>();
  for (const [id, text] of notes) {
    const kind = noteKind(id, text);
    const group = groups.get(kind);
    if (group) group.cases.push(id);
    else groups.set(kind, { text, cases: [id] });
  }
  return [...groups.values()];
}

/**
 * A note without the name of the case in the paths of its files and after the word "case". Elsewhere it may
 * be a word: an id may be `a`.
 */
export function noteKind(id: string, text: string): string {
  const escaped = id.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
  const alone = `(?<![\\p{L}\\p{N}])${escaped}(?![\\p{L}\\p{N}])`;
  return text.replace(new RegExp(`(?<=[/\\\\._-]|case )${alone}|${alone}(?=[/\\\\._-])`, 'gu'), '{case}');
}

/** A group as a line of text: the note of its first case, and its cases. */
export function groupText({ text, cases }: NoteGroup): string {
  return `${text} (${listSome(cases)})`;
}
