import { basename, dirname } from 'node:path';
import { stripImageExtension } from '../formats/index.js';

/**
 * An id for each image file: its name without extensions. Where several files have one name, as in folders of
 * patients, the ids are the folders in which their paths differ, joined by `_`: `p1/ct.nii` and `p2/ct.nii`
 * are `p1` and `p2`. Ids are in Unicode's composed form (NFC).
 */
export function distinctIds(files: readonly string[]): string[] {
  const stems = files.map((file) =>
    stripImageExtension(basename(file.replaceAll('\\', '/'))).normalize('NFC'),
  );
  const byStem = new Map<string, string[]>();
  for (const [i, stem] of stems.entries()) byStem.set(stem, [...(byStem.get(stem) ?? []), files[i]]);
  const ids = stems.map((stem, i) => {
    const group = byStem.get(stem) ?? [];
    return group.length === 1 ? stem : (differingFolders(files[i], group) ?? stem);
  });
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  // A folder may be called like another image.
  return ids.map((id, i) => (id !== stems[i] && counts.get(id) !== 1 ? `${id}_${stems[i]}` : id));
}

/** The folders of a file in which it differs from one of the others; undefined if there are none. */
function differingFolders(file: string, others: readonly string[]): string | undefined {
  const foldersOf = (path: string) =>
    dirname(path.replaceAll('\\', '/').normalize('NFC'))
      .split('/')
      .filter((part) => part !== '.');
  const all = others.map(foldersOf);
  const own = foldersOf(file);
  const sameDepth = all.every(({ length }) => length === own.length);
  const differing = sameDepth
    ? own.filter((part, depth) => all.some((folders) => folders[depth] !== part))
    : own;
  return differing.filter((part) => part !== '' && part !== '..').join('_') || undefined;
}
