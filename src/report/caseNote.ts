import type { CaseFile } from '../case.js';

/**
 * Contour colours from the palette of Okabe and Ito (2008), which colour-blind readers can tell apart. `a`
 * and `b` are the predictions of two runs that are compared.
 */
export const contourColours = {
  prediction: '#E69F00',
  a: '#E69F00',
  b: '#CC79A7',
  reference: '#56B4E9',
} as const;

/** A mask of a case. */
export type MaskName = keyof typeof contourColours;

/** The names of masks on pages. */
export const maskTitles: Readonly<Record<MaskName, string>> = {
  prediction: 'prediction',
  a: 'A',
  b: 'B',
  reference: 'reference',
};

/** From the one whose contour lies on top. */
export const maskNames: readonly MaskName[] = ['prediction', 'a', 'b', 'reference'];

/** The values shown as black and as white. */
export type GreyWindow = readonly [number, number];

/** What a report knows about a case besides its metrics: `case.json` in the case's folder of the report. */
export interface CaseNote {
  readonly case: string;
  /** The slices and their sizes in mm, width first. Empty when the case has neither an image nor masks. */
  readonly planes: readonly {
    readonly name: 'axial' | 'coronal' | 'sagittal';
    readonly mm: readonly [number, number];
  }[];
  /** What the image was read from, for the 3D view; null when there is no file. */
  readonly image: CaseFile | null;
  /** Whether the slices have a picture of the image. */
  readonly grey: boolean;
  readonly masks: readonly MaskName[];
  /**
   * True if the masks have several channels. The number of a voxel in their files is then the sum of 2^c over
   * the channels c that it belongs to.
   */
  readonly channels?: true;
  /** The axial slices to page through; undefined if none were drawn. */
  readonly slices?: CaseSlices;
  readonly window: GreyWindow | null;
  /** What was assumed about the case, as full sentences. Reports of earlier versions have none. */
  readonly notes?: readonly string[];
  /**
   * The labels: their values in the masks, and their volumes in mL. A volume is null where its mask is
   * missing; `prediction` is that of `a` where two runs are compared. `worst` is the slice with the most
   * wrong voxels of the label, by its place in `slices`.
   */
  readonly labels: readonly {
    readonly value: number;
    readonly name: string;
    readonly prediction: number | null;
    readonly reference: number | null;
    readonly worst?: number;
  }[];
}

/**
 * Axial slices of a case, from the feet to the head. Their pictures stand below each other in one file.
 * `middle` and `worst` are places in `numbers`.
 */
export interface CaseSlices {
  /** How many slices the volume has. */
  readonly of: number;
  /** Which of them were drawn. The lowest slice is number 1. */
  readonly numbers: readonly number[];
  /** The slice that `axial.png` shows, too. */
  readonly middle: number;
  /** The slice with the most wrong voxels. */
  readonly worst: number;
}

/** Whether a 3D view of a case has anything to show. */
export const hasVolumes = (note: CaseNote | undefined): boolean =>
  note !== undefined && (note.image !== null || note.masks.length > 0);
