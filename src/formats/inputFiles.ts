import { dirname } from 'node:path';
import { absolutePlace } from '../address.js';
import type { Case, CaseFile, ChannelFiles } from '../case.js';

/** The paths of all files that a case is read from. */
export function inputPaths({ files }: Pick<Case, 'files'>): string[] {
  return Object.values(files).flatMap(pathsOf);
}

/** The paths behind one key of a case. */
export function pathsOf(file: CaseFile): readonly string[] {
  if (typeof file === 'string') return [file];
  if ('spacing' in file) return pathsOf(file.file);
  if ('channels' in file) return file.channels;
  return file.segmentation === undefined ? file.series : [file.segmentation, ...file.series];
}

/** What a file is called in messages: its path, or the folder of a series and how many files it has. */
export function showFile(file: CaseFile): string {
  if (typeof file === 'string') return file;
  if ('channels' in file) return file.channels.join(' + ');
  if ('spacing' in file) return showFile(file.file);
  const { series, part, segmentation } = file;
  if (segmentation !== undefined) return segmentation;
  const [first = 'an empty series'] = series;
  const name = series.length > 1 ? `${dirname(first)} (a series of ${series.length} files)` : first;
  return part ? `${name} (${part})` : name;
}

/** The same file with absolute paths. Addresses stay as they are. */
export function absoluteFile(file: CaseFile): CaseFile {
  return mapPaths(file, absolutePlace);
}

/** The same file with other paths. */
export function mapPaths(file: CaseFile, change: (path: string) => string): CaseFile {
  const changed = (inner: string | ChannelFiles) =>
    typeof inner === 'string' ? change(inner) : { channels: inner.channels.map(change) };
  if (typeof file === 'string' || 'channels' in file) return changed(file);
  if ('spacing' in file) return { ...file, file: changed(file.file) };
  const { segmentation } = file;
  return {
    ...file,
    series: file.series.map(change),
    ...(segmentation !== undefined && { segmentation: change(segmentation) }),
  };
}
