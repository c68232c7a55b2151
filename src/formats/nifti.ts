import { DataError } from '../errors.js';
import { findFile } from './archives.js';
import { isGzip, mostBytes, readInflatedStart } from './inflate.js';
import { isNiftiHeader, type NiftiHeader, niftiHeaderBytes, parseNiftiHeader } from './niftiHeader.js';
import { readStart, withFile } from './openFile.js';
import { type RasterHeader, rasterFormat } from './raster.js';
import { checkLength } from './voxelTaker.js';

/** NIfTI-1 and NIfTI-2 in one file, or in a pair of files as Analyze 7.5; plain or gzip-compressed. */
export const nifti = rasterFormat({
  name: 'NIfTI',
  extensions: ['.nii.gz', '.nii', '.hdr', '.hdr.gz'],
  matches: (start) => isGzip(start) || isNiftiHeader(start),
  readHeader,
});

/**
 * Reads the header, and no more of the file than that takes.
 *
 * @throws DataError if the file cannot be read, or its header is not usable (see `parseNiftiHeader`) or says
 * more voxels than a file of that length can hold.
 */
async function readHeader(file: string): Promise<RasterHeader> {
  const header = /\.img(\.gz)?$/i.test(file) ? await findPartner(file, 'hdr') : file;
  const { fields, isPair, ...rest } = await parseStart(header);
  const notes = fields ? rest.notes : [...rest.notes, ...(await spmNotes(header))];
  const dataFile = isPair ? await findPartner(header, 'img') : header;
  return withFile(dataFile, async (open, fileBytes) => {
    const compressed = isGzip(await readStart(open, 2));
    const name = dataFile === header ? header : `${dataFile} (the voxels of ${header})`;
    checkLength(name, rest, mostBytes(fileBytes, compressed));
    return { ...rest, notes, dataFile, start: 0, compressed, ...(fields && { nifti: fields }) };
  });
}

/** A note on the file in which SPM keeps the position of an Analyze image. */
async function spmNotes(header: string): Promise<string[]> {
  const mat = header.replace(/\.hdr(\.gz)?$/i, '.mat');
  if (mat === header || !(await findFile(mat))) return [];
  return [
    `${mat} beside ${header} may hold its position (SPM) and was not read. If it matters, convert the image to NIfTI ` +
      'with SPM or nibabel.',
  ];
}

async function parseStart(file: string): Promise<NiftiHeader> {
  const mayBePair = /\.hdr(\.gz)?$/i.test(file);
  return withFile(file, async (open) =>
    parseNiftiHeader(await readInflatedStart(open, niftiHeaderBytes, file), file, mayBePair),
  );
}

/** The other file of a pair: `.img` for `.hdr`, and the other way round; either may be compressed. */
async function findPartner(file: string, extension: 'hdr' | 'img'): Promise<string> {
  const stem = file.replace(/\.(hdr|img)(\.gz)?$/i, '');
  const names = [extension, extension.toUpperCase()].flatMap((end) => [
    `${stem}.${end}`,
    `${stem}.${end}.gz`,
  ]);
  for (const name of names) {
    if (await findFile(name)) return name;
  }
  throw new DataError(
    `${file} is one of a pair of files, but there is no ${stem}.${extension}. Put the two files side by ` +
      `side.`,
  );
}
