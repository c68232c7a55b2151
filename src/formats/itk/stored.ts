import type { Vec3 } from '../../volume/volume.js';
import type { StoredType } from '../layout.js';

/** What the header of a file says, read by our own code to check what itk-wasm makes of the file. */
export interface StoredImage {
  readonly size: Vec3;
  readonly channels: number;
  readonly stored: StoredType;
  /** The spacing and the position of the first voxel. Missing where files do not state them reliably. */
  readonly place?: { readonly spacing: Vec3; readonly origin: Vec3 };
  /** What was assumed, as full sentences. */
  readonly notes: readonly string[];
}
