import { dirname, resolve } from 'node:path';
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

/** The same file with absolute paths. */
export function absoluteFile(file: CaseFile): CaseFile {
  if (typeof file === 'string') return resolve(file);
  if ('channels' in file) return absoluteChannels(file);
  if ('spacing' in file) {
    const { file: inner, spacing } = file;
    return { file: typeof inner === 'string' ? resolve(inner) : absoluteChannels(inner), spacing };
  }
  const { segmentation } = file;
  return {
    ...file,
    series: file.series.map((path) => resolve(path)),
    ...(segmentation !== undefined && { segmentation: resolve(segmentation) }),
  };
}

function absoluteChannels({ channels }: ChannelFiles): ChannelFiles {
  return { channels: channels.map((path) => resolve(path)) };
}
