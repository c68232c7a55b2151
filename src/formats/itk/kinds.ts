/** A format that itk-wasm reads. */
export interface ItkKind {
  /** The name for messages. */
  readonly name: 'HDF5' | 'MINC' | 'MINC 1' | 'GIPL' | 'VTK' | 'MRC' | 'TIFF';
  /** True if a file that begins with these bytes is of this format. */
  readonly matches: (start: Buffer) => boolean;
}

const beginsWith =
  (...texts: string[]) =>
  (start: Buffer) =>
    texts.some((text) => start.toString('latin1', 0, text.length) === text);

const hdf5 = beginsWith('\x89HDF\r\n\x1a\n');

/** The name of the group in HDF5 that holds a MINC volume. It lies within the first bytes of the file. */
const isMinc = (start: Buffer) => hdf5(start) && start.includes('minc-2.0');

/** The formats by their first bytes. LSM is TIFF with additional fields. */
const kinds: readonly ItkKind[] = [
  { name: 'MINC', matches: isMinc },
  { name: 'HDF5', matches: hdf5 },
  { name: 'MINC 1', matches: beginsWith('CDF\x01', 'CDF\x02') },
  {
    name: 'GIPL',
    matches: (start) => start.length >= 256 && [0xefffe9b0, 0x2ae389b8].includes(start.readUInt32BE(252)),
  },
  { name: 'VTK', matches: beginsWith('# vtk DataFile') },
  { name: 'MRC', matches: (start) => start.toString('latin1', 208, 212) === 'MAP ' },
  { name: 'TIFF', matches: beginsWith('II*\0', 'MM\0*', 'II+\0', 'MM\0+') },
];

/** The format of a file that begins with these bytes. */
export function kindOf(start: Buffer): ItkKind['name'] | undefined {
  return kinds.find(({ matches }) => matches(start))?.name;
}
