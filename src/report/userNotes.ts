// What people note about cases. It is kept in `notes.json` in the report's folder. The page saves such a
// file, and `voxstream report` reads it.

/** The name of the file. */
export const notesFile = 'notes.json';

/** What a person noted about a case. */
export interface UserNote {
  readonly flagged: boolean;
  readonly text: string;
  /** When it was changed, as ISO 8601 in UTC. */
  readonly changed: string;
}

/** Notes by the ids of cases. */
export type UserNotes = ReadonlyMap<string, UserNote>;

const format = 'voxstream-notes-1';

/** Notes as the content of `notes.json`. */
export function notesJson(notes: UserNotes): string {
  const cases = [...notes].map(([id, { flagged, text, changed }]) => ({ case: id, flagged, text, changed }));
  return `${JSON.stringify({ format, cases }, null, 2)}\n`;
}

/**
 * Parses the content of `notes.json`.
 *
 * @throws Error with a clause that says what is wrong.
 */
export function parseNotes(content: string): UserNotes {
  let parsed: { format?: unknown; cases?: unknown } | null;
  try {
    parsed = JSON.parse(content);
  } catch (error) {
    throw new Error(`it is not JSON (${(error as Error).message})`);
  }
  if (parsed?.format !== format || !Array.isArray(parsed.cases)) {
    throw new Error(`it does not have "format": "${format}" and a list "cases"`);
  }
  const entries = parsed.cases.map((entry: Record<string, unknown> | null, i) => {
    const { case: id, flagged, text, changed } = entry ?? {};
    if (
      typeof id !== 'string' ||
      typeof flagged !== 'boolean' ||
      typeof text !== 'string' ||
      typeof changed !== 'string' ||
      Number.isNaN(Date.parse(changed))
    ) {
      throw new Error(
        `entry ${i + 1} of "cases" must have "case" and "text" (texts), "flagged" (true or false) and "changed" (a time)`,
      );
    }
    return [id, { flagged, text, changed }] as const;
  });
  return new Map(entries);
}

/** The newest note of each case, of two sets of notes. */
export function mergeNotes(notes: UserNotes, others: UserNotes): Map<string, UserNote> {
  const merged = new Map(notes);
  for (const [id, note] of others) {
    const known = merged.get(id);
    if (!known || Date.parse(note.changed) > Date.parse(known.changed)) merged.set(id, note);
  }
  return merged;
}
