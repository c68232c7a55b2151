import { DataError } from '../../errors.js';
import { imageFormat } from '../define.js';

// The reader is loaded when the first DICOM file is read: most runs read none.

/**
 * A DICOM file where an image file is expected. One with several frames is read as a separate series; a
 * single slice is refused, because its volume lies in other files, too.
 */
export const dicomFile = imageFormat({
  name: 'DICOM',
  extensions: ['.dcm', '.dicom', '.ima'],
  matches: (start) => Buffer.from(start).toString('latin1', 128, 132) === 'DICM',
  readGrid: async (file) => (await import('./readSeries.js')).readSeriesGrid(await seriesOf(file)),
  read: async (file, options) => (await import('./readSeries.js')).readSeries(await seriesOf(file), options),
});

async function seriesOf(file: string): Promise<{ series: readonly string[] }> {
  const { readHeader } = await import('./header.js');
  const header = await readHeader(file);
  if (!header)
    throw new DataError(
      `${file} is not a DICOM file, in spite of its name. Check that it is the right file.`,
    );
  if ('other' in header) {
    throw new DataError(
      `${file} is a DICOM file, not a NIfTI, NRRD or MetaImage file, and it is ${header.other}, but an image was ` +
        'expected. Leave it out, or convert its series, e.g. with dcm2niix.',
    );
  }
  if (header.fault === undefined && header.frames === 1) {
    throw new DataError(
      `${file} is one slice of a DICOM series, but a volume was expected. Read its folder with the source dicom: ` +
        '{ root: FOLDER }, or give all files of the series as { series: [FILE, …] }.',
    );
  }
  return { series: [file] };
}
