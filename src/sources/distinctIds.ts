import { basename, dirname } from 'node:path';
import { isAddress, shownPlace } from '../address.js';
import { stripImageExtension } from '../formats/index.js';

/**
 * An id for each image file: its name without extensions. Where several files have one name, as in folders of
 * patients, the ids are the folders in which their paths differ, joined by `_`: `p1/ct.nii` and `p2/ct.nii`
 * are `p1` and `p2`. Ids are in Unicode's composed form (NFC).
 */
export function distinctIds(files: readonly string[]): string[] {
  const stems = files.map((file) => {
    const name = basename(plainPath(file));
    return stripImageExtension(name) || name || file.normalize('NFC');
  });
  const groups = new Map<string, string[]>();
  for (const [i, stem] of stems.entries()) {
    const group = groups.get(stem);
    if (group) group.push(files[i]);
    else groups.set(stem, [files[i]]);
  }
  // Once per group: a dataset may have a folder for each of its patients, and the same name in all of them.
  const folderIds = new Map(
    Array.from(groups, ([stem, group]) => [stem, group.length > 1 ? differingFolders(group) : undefined]),
  );
  const ids = stems.map((stem, i) => folderIds.get(stem)?.(files[i]) ?? stem);
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  // A folder may be called like another image.
  return ids.map((id, i) => (id !== stems[i] && counts.get(id) !== 1 ? `${id}_${stems[i]}` : id));
}

/**
 * For files of one name: a function that gives those folders of a file in which the paths differ, or
 * undefined if there are none.
 */
function differingFolders(files: readonly string[]): (file: string) => string | undefined {
  const all = files.map(foldersOf);
  const [first] = all;
  const sameDepth = all.every(({ length }) => length === first.length);
  const differs = first.map((part, depth) => all.some((folders) => folders[depth] !== part));
  return (file) => {
    const own = foldersOf(file);
    const differing = sameDepth ? own.filter((_, depth) => differs[depth]) : own;
    return differing.filter((part) => part !== '' && part !== '..').join('_') || undefined;
  };
}

function foldersOf(path: string): string[] {
  return dirname(plainPath(path))
    .split('/')
    .filter((part) => part !== '.');
}

/** A path with `/` between folders, or an address without its query, in the composed form. */
function plainPath(place: string): string {
  if (!isAddress(place)) return place.replaceAll('\\', '/').normalize('NFC');
  const shown = shownPlace(place);
  return (/^https?:/i.test(shown) ? decodedIfPossible(shown) : shown).normalize('NFC');
}

function decodedIfPossible(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
