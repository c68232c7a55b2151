import type { CaseFile } from '../case.js';
import { findFile } from '../formats/archives.js';
import { pathsOf, showFile } from '../formats/inputFiles.js';
import { revealEnvironment, revealer } from '../mask.js';
import type { OptionsOf } from '../options.js';
import type { reportSink } from '../sinks/report.js';
import type { JournalEntry } from './journal.js';

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
  const found = await findFile(file).catch(() => undefined);
  return found?.modified ?? 0;
}
