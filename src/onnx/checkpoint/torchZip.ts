import { listNames, ModelError, show } from '../../errors.js';
import { ZipArchive } from '../../formats/zip.js';
import { findGlobal } from './globals.js';
import { unpickle } from './pickle.js';
import type { Pickled } from './pickled.js';
import { Storages } from './storages.js';

/**
 * What a checkpoint holds that PyTorch 1.6 or later wrote: a zip archive of a pickle and the storages it
 * refers to. A TorchScript archive is the same with programs beside it, which are not read.
 *
 * @throws ModelError when the archive is damaged or no checkpoint.
 */
export function readTorchZip(bytes: Uint8Array): Pickled {
  const archive = new ZipArchive(bytes);
  const folder = folderOf(archive);
  const budget = budgetOf(bytes);
  const source = {
    buffer: bytes.buffer,
    bytes: (key: string) => {
      const member = `${folder}data/${key}`;
      return { bytes: archive.read(member, budget), place: show(member) };
    },
  };
  const storages = new Storages(source, budget);
  const pickle = archive.read(`${folder}data.pkl`, 64 << 20);
  return unpickle(pickle, { find: findGlobal, load: (identity) => storages.load(identity) });
}

/** Bytes that reading may take besides those of the file. Weights hardly compress; runs of zeros do. */
export function budgetOf(bytes: Uint8Array): number {
  return 4 * bytes.length + 2 ** 30;
}

/** The folder in the archive that holds `data.pkl`, with its slash. */
function folderOf(archive: ZipArchive): string {
  const { names } = archive;
  const pickles = names.filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickles.length !== 1) {
    const found = names.slice(0, 5).map((name) => show(name));
    throw new ModelError(
      `it is a zip archive, but no checkpoint: it holds ${listNames(found)} and no FOLDER/data.pkl`,
    );
  }
  const folder = pickles[0].slice(0, -'data.pkl'.length);
  const order = names.includes(`${folder}byteorder`)
    ? new TextDecoder().decode(archive.read(`${folder}byteorder`, 16))
    : 'little';
  if (order !== 'little') {
    throw new ModelError(`its numbers are ${show(order)}-endian; only little-endian numbers can be read`);
  }
  return folder;
}
