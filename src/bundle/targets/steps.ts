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
  /** One of the known functions on voxels. */
  | {
      readonly kind: 'voxels';
      readonly function: VoxelFunction;
      readonly key: string;
      readonly id: string;
    }
  /** Writes a volume. */
  | { readonly kind: 'save'; readonly save: SaveSettings; readonly id: string };

/** Functions on voxels that bundles use and that are not operators; see `applyVoxelFunction`. */
export type VoxelFunction =
  | { readonly name: 'bratsLabels' | 'labelsOfChannels' }
  | { readonly name: 'zeroChannels'; readonly count: number };

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
