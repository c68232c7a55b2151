import type { PagePictures } from '../../browserData.js';
import { maskTitles } from '../../caseNote.js';
import { make, scrollBox } from '../dom.js';
import { copyButton } from './csv.js';
import { folderOfPage, openCommands } from './openWith.js';

/**
 * The folder of the report, with a separator at its end. The server adds its path to the page; a page that
 * was opened as a file finds it in its address.
 */
const reportFolder = () =>
  document.querySelector<HTMLMetaElement>('meta[name="voxstream-folder"]')?.content ?? folderOfPage(location);

/** The files of a case with their paths, and commands that open them in other programs. */
export function caseFiles({ image, masks, channels, folder }: PagePictures): HTMLElement {
  const base = reportFolder();
  const separator = base.includes('\\') ? '\\' : '/';
  const maskFiles = masks.map((name) => ({
    name: maskTitles[name],
    path: base + [...folder.split('/').map(decodeURIComponent), `${name}.nii.gz`].join(separator),
  }));
  const files = [...(image === null ? [] : [{ name: 'image', path: image }]), ...maskFiles];
  const row = (name: string, text: string) =>
    make(
      'tr',
      {},
      make('th', { scope: 'row' }, name),
      make('td', {}, make('code', {}, text)),
      make(
        'td',
        {},
        copyButton('Copy', () => text),
      ),
    );
  const commands = openCommands(image, maskFiles);
  const rows = [
    ...files.map(({ name, path }) => row(name, path)),
    ...commands.map(({ program, command }) => row(program, command)),
  ];
  const combined =
    'These masks have several channels. In the files, the number of a voxel is the sum of 1 for the first channel, 2 ' +
    'for the second, 4 for the third and so on.';
  const none =
    'No commands are offered, because a path is not that of a local file, or has unusual characters.';
  return make(
    'details',
    { class: 'files' },
    make('summary', {}, 'Files, and commands for ITK-SNAP and 3D Slicer'),
    scrollBox('Files and commands', make('table', { class: 'texts' }, make('tbody', {}, ...rows))),
    ...(channels ? [make('p', { class: 'note' }, combined)] : []),
    ...(commands.length === 0 && files.length > 0 ? [make('p', { class: 'note' }, none)] : []),
  );
}
