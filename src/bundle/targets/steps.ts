/** A step of a translated configuration. */
export type BundleStep =
  /** An operator of voxstream with its options. */
  | {
      readonly kind: 'operator';
      readonly name: string;
      readonly options: Readonly<Record<string, unknown>>;
      /** The id of the transform. */
      readonly id: string;
    }
  /** Adds a volume under another key. */
  | { readonly kind: 'copy'; readonly from: string; readonly to: string; readonly id: string }
  /** One of the known functions on voxels; see `voxelFunctions`. */
  | { readonly kind: 'voxels'; readonly form: string; readonly key: string; readonly id: string }
  /** Writes a volume. */
  | { readonly kind: 'save'; readonly save: SaveSettings; readonly id: string };

/** How MONAI's SaveImage writes a volume. */
export interface SaveSettings {
  readonly key: string;
  /** The key of the file that the name comes from. */
  readonly source: string;
  readonly folder: string;
  readonly postfix: string;
  readonly extension: string;
  readonly separateFolder: boolean;
  /** Folders of the input below this one are kept in the output. */
  readonly dataRoot: string;
  /** The type of the voxels on disk. Undefined: as they are. */
  readonly dtype?: string;
  /** Whether a volume that is not on the grid of its file is brought back to it. */
  readonly resample: boolean;
  readonly interpolation: 'nearest' | 'bilinear';
  readonly padding: 'border' | 'zeros';
}
