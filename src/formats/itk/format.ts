import { imageFormat } from '../define.js';
import { isGzip } from '../inflate.js';
import { kindOf } from './kinds.js';

// The reader, and itk-wasm with it, is loaded when the first such file is read: most runs read none.

/**
 * Formats that itk-wasm (`@itk-wasm/image-io`) reads: ITK's HDF5, MINC 2, GIPL, legacy VTK images, MRC, TIFF
 * and LSM. Of some of them it accepts files that are cut off, so their lengths are checked here.
 */
export const itk = imageFormat({
  name: 'itk',
  extensions: [
    '.h5',
    '.hdf5',
    '.mnc',
    '.mnc2',
    '.gipl',
    '.gipl.gz',
    '.vtk',
    '.mrc',
    '.rec',
    '.tif',
    '.tiff',
    '.lsm',
  ],
  matches: (start) => isGzip(start) || kindOf(Buffer.from(start)) !== undefined,
  readGrid: async (file) => (await import('./read.js')).readItkGrid(file),
  read: async (file, options) => (await import('./read.js')).readItk(file, options),
});
