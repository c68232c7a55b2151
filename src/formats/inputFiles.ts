import { dirname, resolve } from 'node:path';
import type { Case, CaseFile } from '../case.js';

/** The paths of all files that a case is read from. */
export function inputPaths({ files }: Pick<Case, 'files'>): string[] {
  return Object.values(files).flatMap(pathsOf);
}

/** The paths behind one key of a case. */
export function pathsOf(file: CaseFile): readonly string[] {
  return typeof file === 'string' ? [file] : file.series;
}

/** What a file is called in messages: its path, or the folder of a series and how many files it has. */
export function showFile(file: CaseFile): string {
  if (typeof file === 'string') return file;
  const { series, part } = file;
  const [first = 'an empty series'] = series;
  const name = series.length > 1 ? `${dirname(first)} (a series of ${series.length} files)` : first;
  return part ? `${name} (${part})` : name;
}

/** The same file with absolute paths. */
export function absoluteFile(file: CaseFile): CaseFile {
  if (typeof file === 'string') return resolve(file);
  return { ...file, series: file.series.map((path) => resolve(path)) };
}
