import type { SLICE_TYPE } from '@niivue/niivue';
import type { ViewerData } from '../../browserData.js';

/** The views with NiiVue's numbers for them. */
export const views: Readonly<Record<string, SLICE_TYPE>> = {
  Axial: 0,
  Coronal: 1,
  Sagittal: 2,
  'All planes': 3,
  '3D': 4,
};

/** The opacity that masks start with. */
export const startOpacity = 0.55;

/** What the user has chosen. Controls change it and then have it applied as a whole. */
export interface ViewerState {
  /** A key of `views`. */
  view: string;
  /** The masks, by name. */
  readonly masks: Map<string, { visible: boolean; opacity: number }>;
  /** Whether masks are shown by their borders only. */
  outlines: boolean;
  /** The label shown; undefined for all. */
  label: number | undefined;
  /** The values shown as black and as white; undefined while there is no image. */
  window: readonly [number, number] | undefined;
}

export function startState({ masks, window }: ViewerData): ViewerState {
  return {
    view: 'All planes',
    masks: new Map(masks.map(({ name }) => [name, { visible: true, opacity: startOpacity }])),
    outlines: false,
    label: undefined,
    window: window ?? undefined,
  };
}
