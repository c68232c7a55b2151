import type { Grid, Vec3, Volume } from '../volume/volume.js';

/** How an image file is read. */
export interface ReadOptions {
  /** `label` for whole numbers that name structures, `image` for everything else. */
  readonly kind: 'image' | 'label';
  /** Accept NaN and infinite voxels in an image. Default: false, they are refused. */
  readonly nonFinite?: boolean;
  /**
   * Voxels that a header scales by fractions become float64. Default: float32, unless they are stored as
   * float64.
   */
  readonly float64?: boolean;
  /** The most bytes that the voxels may take. Default: the memory that this process may use. */
  readonly maxBytes?: number;
  /**
   * Voxel size in mm (x, y, z) of a file whose format states none, e.g. TIFF. Other files keep theirs.
   * Default: such files are refused.
   */
  readonly spacing?: Vec3;
}

/** What a file's header says about its volume; memory is estimated from it. */
export interface FileGrid extends Grid {
  readonly channels: number;
  /** Bytes of one voxel of one channel after reading. */
  readonly bytesPerVoxel: number;
  /** Bytes that reading takes at most: the stored voxels, plus the converted ones where they need a copy. */
  readonly bytesToRead: number;
  /** True if the header scales voxels by fractions, so that the option `float64` reads them as float64. */
  readonly fractions?: boolean;
  /** True if the format states no voxel size. The affine then has voxels of 1 mm. */
  readonly unspaced?: boolean;
}

/** A file format for images. */
export interface ImageFormat {
  readonly kind: 'imageFormat';
  /** The name for messages: `NRRD`. A format registered under the name of another one replaces it. */
  readonly name: string;
  /** The extensions of its files, in lower case, with the dot: `['.nrrd', '.nhdr']`. */
  readonly extensions: readonly string[];
  /**
   * True if a file that begins with these bytes (512, or the whole file if it is shorter) is of this format.
   * Decides for files whose extension is unknown or does not fit their content.
   */
  readonly matches?: (start: Uint8Array) => boolean;
  /** Reads the header, and no voxels. Throws DataError if the file cannot be read or is not usable. */
  readonly readGrid: (file: string) => Promise<FileGrid>;
  /**
   * Reads a file into a volume. Throws DataError if the file cannot be read, is damaged, is not a 3D image
   * (channels allowed), needs more than `maxBytes`, or holds voxels that `ReadOptions` rules out.
   */
  readonly read: (file: string, options: ReadOptions) => Promise<Volume>;
  /**
   * The module that exports the format, `import.meta.url`. Needed by formats of other packages: worker
   * threads import it, since files are read there.
   */
  readonly module?: string;
}

/** Defines a file format for images; see `registerFormat`. */
export function imageFormat(format: Omit<ImageFormat, 'kind'>): ImageFormat {
  return { kind: 'imageFormat', ...format };
}
