// The data that the pages' scripts work on. It is embedded in the pages as JSON.
import type { CaseNote, CaseSlices, GreyWindow, MaskName } from './caseNote.js';
import type { UserNote } from './userNotes.js';

/** A metrics column as the page shows it. */
export interface PageColumn {
  /** Its name in `metrics.csv`. */
  readonly name: string;
  /** The name of the metric, `dice`; the whole name for columns of unknown metrics. */
  readonly metric: string;
  /** The title of the metric with its unit. */
  readonly title: string;
  /** The label's name, or `mean over labels`. Empty for columns of the case as a whole. */
  readonly label: string;
  readonly decimals: number;
  /** Which values are better; null where neither are, or where it is unknown. */
  readonly better: 'higher' | 'lower' | null;
}

/** A number as JSON can hold it: null where it is undefined. */
export type PageNumber = number | 'inf' | '-inf' | null;

/** A case as the page shows it. */
export interface PageCase {
  readonly id: string;
  /** One value per column. */
  readonly values: readonly PageNumber[];
  /** Seconds of work on the case, all steps together. */
  readonly seconds: number;
  readonly pictures: PagePictures | null;
  /** Why pictures are missing; null where none are, or where the reason is unknown. */
  readonly unpictured: string | null;
  /** The columns in which the case is an outlier, by their indices; see `findOutliers`. */
  readonly outliers?: readonly number[];
  /** Its subgroups, one per `PageData.groups`; empty where unknown. */
  readonly groups?: readonly string[];
  /** What a person noted about the case, as `notes.json` has it. */
  readonly note?: UserNote;
}

/** The pictures of a case. */
export interface PagePictures {
  readonly planes: CaseNote['planes'];
  readonly grey: boolean;
  readonly masks: readonly MaskName[];
  /** See `CaseNote.channels`. */
  readonly channels?: true;
  readonly window: GreyWindow | null;
  readonly slices?: CaseSlices;
  /**
   * The labels that the masks have: their index in `PageData.maskLabels`, and the place of the slice with
   * their largest error in `slices`.
   */
  readonly labels: readonly (readonly [label: number, worst: number | null])[];
  /** The address of the case's folder, relative to the page. */
  readonly folder: string;
  /** The path of the image's file, or of the first of its files; null if it is unknown. */
  readonly image: string | null;
  /** Whether the 3D view has anything to show. */
  readonly volumes: boolean;
}

/** A label of masks. */
export interface PageLabel {
  readonly value: number;
  readonly name: string;
  /** Its colour in pictures of all labels. */
  readonly colour: string;
}

/** The data of a report's page. */
export interface PageData {
  /** The name of the run. */
  readonly name: string;
  readonly columns: readonly PageColumn[];
  /** The labels that have columns, in order; `mean over labels` comes first. */
  readonly labels: readonly string[];
  readonly cases: readonly PageCase[];
  readonly maskLabels: readonly PageLabel[];
  /** The names of the columns with subgroups. */
  readonly groups: readonly string[];
  /** The command that makes the page again, e.g. with new notes. */
  readonly command: string;
  /** The notes on cases that the report does not have. They are saved together with the others. */
  readonly otherNotes: readonly (readonly [id: string, note: UserNote])[];
}

/** The data of a 3D view. */
export interface ViewerData extends Pick<CaseNote, 'window' | 'labels' | 'channels'> {
  readonly id: string;
  /** The address of the image; null when there is none. */
  readonly image: string | null;
  readonly masks: readonly {
    readonly name: MaskName;
    readonly title: string;
    readonly url: string;
    readonly colour: string;
  }[];
  /** The addresses of the previous and the next case; null at the ends. */
  readonly previous: string | null;
  readonly next: string | null;
}
