import { visible } from '../../../harmless.js';

/** A file of a case, and what it is. */
export interface NamedFile {
  readonly name: string;
  readonly path: string;
}

/** A program that can show a case, and the command that starts it. */
export interface OpenCommand {
  readonly program: string;
  readonly command: string;
}

/**
 * Commands that open an image and masks in other programs. There are none if a path is not that of a local
 * file, or has characters that a shell or a terminal could misread.
 */
export function openCommands(image: string | null, masks: readonly NamedFile[]): OpenCommand[] {
  const paths = [...(image === null ? [] : [image]), ...masks.map(({ path }) => path)];
  const windows = paths.some((path) => /^([A-Za-z]:[\\/]|\\\\)/.test(path));
  if (!paths.every((path) => isLocal(path) && (!windows || /^[^"'%!^`$]*$/.test(path)))) return [];
  const quoted = (text: string) => (windows ? `"${text}"` : `'${text.replaceAll("'", `'\\''`)}'`);
  // In Windows, the shell's quotes are double ones.
  const python = (path: string) => (windows ? `r'${path}'` : JSON.stringify(path));
  const calls = [
    ...(image === null ? [] : [`slicer.util.loadVolume(${python(image)})`]),
    ...masks.map(({ path }) => `slicer.util.loadSegmentation(${python(path)})`),
  ];
  const slicer = { program: '3D Slicer', command: `Slicer --python-code ${quoted(calls.join('; '))}` };
  if (image === null) return masks.length > 0 ? [slicer] : [];
  const snap = masks.map(({ name, path }) => ({
    program: `ITK-SNAP, ${name}`,
    command: `itksnap -g ${quoted(image)} -s ${quoted(path)}`,
  }));
  return [...snap, slicer];
}

/** Whether a path is one of a local file. Addresses, members of archives and hidden values are not. */
function isLocal(path: string): boolean {
  return visible(path) === path && !/^[a-z][a-z0-9+.-]+:\/\/|\.(tar|zip)[\\/]|\$\{env\./i.test(path);
}

/**
 * The path of the folder that a page is in, with a separator at its end: from its address if it was opened as
 * a file. Empty if it is unknown.
 */
export function folderOfPage({ protocol, pathname }: Pick<Location, 'protocol' | 'pathname'>): string {
  if (protocol !== 'file:') return '';
  const path = decodeURIComponent(pathname.slice(0, pathname.lastIndexOf('/') + 1));
  return /^\/[A-Za-z]:\//.test(path) ? path.slice(1).replaceAll('/', '\\') : path;
}
