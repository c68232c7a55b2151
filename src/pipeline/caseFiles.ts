import { type CaseFile, makeCase } from '../case.js';
import { pathsOf, showFile } from '../formats/inputFiles.js';
import { revealEnvironment, revealer } from '../mask.js';
import type { OptionsOf } from '../options.js';
import type { reportSink } from '../sinks/report.js';
import { statPlace } from '../storage/places.js';
import type { JournalEntry } from './journal.js';
import { withLocalCase } from './localCase.js';

/** The files that show a finished case, as far as they are still there. */
export interface CaseFiles {
  readonly files: {
    readonly image?: CaseFile;
    readonly prediction?: CaseFile;
    readonly reference?: CaseFile;
  };
  /** What is missing, as sentences; undefined if nothing is. */
  readonly missing?: string;
  /**
   * Environment variables whose values are in the paths, by name. They stay hidden in messages and files: the
   * folder may come from somebody else.
   */
  readonly secrets: ReadonlyMap<string, string>;
}

/**
 * Finds the files of a case by its entry in the journal.
 *
 * @param keys The options of the run's sink `report`, which name the volumes.
 */
export async function findCaseFiles(
  { volumes: hidden = {} }: Partial<JournalEntry>,
  { image = 'image', pred = 'pred', label = 'label' }: OptionsOf<typeof reportSink>,
): Promise<CaseFiles> {
  const secrets = new Map<string, string>();
  const volumes = revealer((name) => {
    const value = process.env[name];
    if (value !== undefined) secrets.set(name, value);
    return value;
  })(hidden);
  const present: Record<string, CaseFile> = {};
  const gone: string[] = [];
  for (const key of [image, pred, label]) {
    if (!(key in volumes)) continue;
    const times = await Promise.all(pathsOf(volumes[key]).map(modified));
    if (times.every((time) => time > 0)) present[key] = volumes[key];
    else gone.push(`${key} is no longer at ${showFile(hidden[key])}`);
  }
  if (!(pred in volumes)) gone.push(`the run did not save ${pred}`);
  if (!(image in volumes)) gone.push(`the run had no ${image}`);
  const missing = `${gone.join('; ')}.`.replace(/^./, (letter) => letter.toUpperCase());
  return {
    files: {
      ...(present[image] && { image: present[image] }),
      ...(present[pred] && { prediction: present[pred] }),
      ...(present[label] && { reference: present[label] }),
    },
    ...(gone.length > 0 && { missing }),
    secrets,
  };
}

/** The time of the last change of a case's files, in ms since 1970; 0 if none is known. */
export async function newestFile(entry: JournalEntry | undefined): Promise<number> {
  const volumes = revealEnvironment(entry?.volumes ?? {});
  return Math.max(0, ...(await Promise.all(Object.values(volumes).flatMap(pathsOf).map(modified))));
}

/** The time of a file's last change, in ms since 1970; 0 if it is missing. */
export async function modified(file: string): Promise<number> {
  const found = await statPlace(file).catch(() => undefined);
  // Web servers may not know the time.
  return found ? Math.max(found.modified, 1) : 0;
}

/** Calls `use` with files that are on this machine: those at addresses are brought here meanwhile. */
export function withLocalFiles<Files extends Readonly<Record<string, CaseFile>>, T>(
  files: Files,
  use: (here: Files) => Promise<T>,
): Promise<T> {
  const item = makeCase({ id: '', files: { ...files } });
  return withLocalCase(item, (here) => use(here.files as Files));
}
