import type { CaseFile } from '../case.js';
/** Contour colours from the palette of Okabe and Ito (2008), which colour-blind readers can tell apart. */
export const contourColours = { prediction: '#E69F00', reference: '#56B4E9' } as const;

/** The two masks of a case. */
export type MaskName = keyof typeof contourColours;

export const maskNames: readonly MaskName[] = ['prediction', 'reference'];

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
  readonly window: GreyWindow | null;
  /** What was assumed about the case, as full sentences. Reports of earlier versions have none. */
  readonly notes?: readonly string[];
  /**
   * The labels: their values in the masks, and their volumes in mL. A volume is null where its mask is
   * missing.
   */
  readonly labels: readonly {
    readonly value: number;
    readonly name: string;
    readonly prediction: number | null;
    readonly reference: number | null;
  }[];
}
