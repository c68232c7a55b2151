/** The typed arrays that hold voxels. */
export type VoxelArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

/** The voxel types by the names that options and messages use. */
export const voxelTypes = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

/** The name of a voxel type, e.g. `int16`. */
export type VoxelType = keyof typeof voxelTypes;

/** Three numbers, one per voxel axis, x first. */
export type Vec3 = readonly [number, number, number];

/** A `Vec3` in the making: what `map` and literals build up is asserted to have three numbers. */
export type Triple = [number, number, number];

/**
 * A 4x4 matrix, row by row (16 numbers), that maps a voxel's index (of its centre) to millimetres in RAS+: x
 * to the patient's right, y to the front, z to the head. As in NIfTI and nibabel.
 */
export type Affine = readonly number[];

/**
 * What the voxels mean. `label` holds whole numbers and is never interpolated between; `logits` and
 * `probability` have one channel per class.
 */
export type VolumeKind = 'image' | 'label' | 'logits' | 'probability';

/** The lattice of voxels: how many there are in x, y and z, and their positions. */
export interface Grid {
  /** Voxels along x, y and z. */
  readonly size: Vec3;
  /** From voxel indices to millimetres in RAS+. */
  readonly affine: Affine;
}

/** How voxels are interpolated: trilinear, or the nearest voxel. */
export type InterpolationMode = 'bilinear' | 'nearest';

/** How a volume is scaled to another size; see `resizeTo`. */
export type ResizeMode = 'nearest' | 'nearest-exact' | 'trilinear' | 'area';

/** What to do outside a volume when resampling: repeat the border voxel, or zeros. */
export type ResamplePadding = 'border' | 'zeros';

/**
 * A geometric step that was applied to a volume, and the parameters to undo it. `from` is the grid before it.
 */
export type HistoryStep =
  | { readonly step: 'orient'; readonly from: Grid; readonly axes: Vec3; readonly flips: Vec3 }
  | { readonly step: 'resample'; readonly from: Grid; readonly padding: ResamplePadding }
  | {
      readonly step: 'resize';
      readonly from: Grid;
      readonly mode: ResizeMode;
      readonly alignCorners: boolean;
    }
  | { readonly step: 'cropOrPad'; readonly from: Grid; readonly start: Vec3 }
  | { readonly step: 'zoom'; readonly from: Grid; readonly back: ZoomRule }
  | { readonly step: 'cornerZoom'; readonly from: Grid };

/** Orders of interpolation when a grid is resampled to another number of voxels over the same extent. */
export interface ZoomRule {
  /** 0 the nearest voxel, 1 linear, 3 a cubic B-spline. */
  readonly order: 0 | 1 | 3;
  /** An axis that is resampled after the others, with `orderZ`. */
  readonly separate?: number;
  readonly orderZ: 0 | 1;
}

/** Header fields of a NIfTI file that derived files keep. */
export interface NiftiFields {
  readonly qformCode: number;
  readonly sformCode: number;
  readonly xyztUnits: number;
  readonly descrip: string;
  readonly auxFile: string;
  readonly toffset: number;
  /** The voxel size as the file states it (pixdim), in mm. It is rounded otherwise than the affine. */
  readonly pixdim?: Vec3;
  /** Both affines of the file, if it has both and they are valid. They may differ. */
  readonly forms?: { readonly sform: Affine; readonly qform: Affine };
}

/** Where a volume came from. */
export interface Origin {
  /** The file it was read from. */
  readonly file: string;
  /** NIfTI header fields to keep in files on the same grid. */
  readonly nifti?: NiftiFields;
}

/** A coded concept, as DICOM names structures. */
export interface LabelCode {
  readonly value: string;
  /** The coding scheme, e.g. `SCT` for SNOMED CT. */
  readonly scheme: string;
  readonly meaning: string;
}

/**
 * A 3D volume with its position in space. It is read-only; a step returns a new one.
 *
 * `data` holds `channels * size[0] * size[1] * size[2]` voxels: x varies fastest, then y, then z, the channel
 * slowest. It usually lies on a SharedArrayBuffer, so that worker threads read it without a copy.
 */
export interface Volume extends Grid {
  readonly data: VoxelArray;
  readonly channels: number;
  readonly kind: VolumeKind;
  /** The invertible geometric steps so far, oldest first; see `invert`. */
  readonly history: readonly HistoryStep[];
  /** Names of the label values, if known: `{ 1: 'spleen' }`. */
  readonly labelNames?: Readonly<Record<number, string>>;
  /** Codes of labels by name, where the model that made the volume states them. */
  readonly labelCodes?: Readonly<Record<string, LabelCode>>;
  readonly origin?: Origin;
  /** What was assumed or changed when the file was read, as full sentences for the user. */
  readonly notes?: readonly string[];
}

/** The number of voxels of one channel. */
export function voxelCount(size: Vec3): number {
  return size[0] * size[1] * size[2];
}

/** The typed array that holds voxels of the type named `T`. */
export type VoxelArrayOf<T extends VoxelType> = InstanceType<(typeof voxelTypes)[T]>;

let allocated: (bytes: number) => void = () => {};

/** Calls `listener` with the bytes of each voxel array that this thread allocates from now on. */
export function onAllocate(listener: (bytes: number) => void): void {
  allocated = listener;
}

/** A new zeroed voxel array of `length` on a SharedArrayBuffer. */
export function allocate<T extends VoxelType>(type: T, length: number): VoxelArrayOf<T> {
  // TypeScript does not narrow the table's value by the generic T.
  const Type = voxelTypes[type] as unknown as {
    new (buffer: SharedArrayBuffer): VoxelArrayOf<T>;
    BYTES_PER_ELEMENT: number;
  };
  const bytes = length * Type.BYTES_PER_ELEMENT;
  allocated(bytes);
  return new Type(new SharedArrayBuffer(bytes));
}

/** The name of an array's voxel type. */
export function voxelTypeOf(data: VoxelArray): VoxelType {
  for (const [name, Type] of Object.entries(voxelTypes)) {
    if (data instanceof Type) return name as VoxelType;
  }
  throw new TypeError(`${Object.prototype.toString.call(data)} is not a voxel array.`);
}

/** A zeroed array of the same type as `like` and of `length` voxels. */
export function allocateLike<T extends VoxelArray>(like: T, length: number): T {
  return allocate(voxelTypeOf(like), length) as T;
}

/** A copy of voxels, on a SharedArrayBuffer. */
export function copyVoxels<T extends VoxelArray>(data: T): T {
  const copy = allocateLike(data, data.length);
  copy.set(data);
  return copy;
}

/** A copy of an array with twice its length. */
export function grow(array: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * array.length);
  larger.set(array);
  return larger;
}

/** The voxels of each channel, as views. */
export function channelsOf({ data, size, channels }: Volume): VoxelArray[] {
  const count = voxelCount(size);
  return Array.from({ length: channels }, (_, c) => data.subarray(c * count, (c + 1) * count));
}

/** Makes a volume. Default: a single-channel image at the origin with 1 mm voxels and no history. */
export function makeVolume(fields: Partial<Volume> & Pick<Volume, 'data' | 'size'>): Volume {
  const { size, data } = fields;
  const channels = fields.channels ?? 1;
  if (data.length !== voxelCount(size) * channels) {
    throw new RangeError(
      `A volume of ${size.join(' x ')} voxels and ${channels} channel(s) needs ` +
        `${voxelCount(size) * channels} values, but its data holds ${data.length}.`,
    );
  }
  return {
    channels,
    kind: 'image',
    affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
    history: [],
    ...fields,
  };
}
