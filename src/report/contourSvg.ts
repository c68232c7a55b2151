import { contourColours, type MaskName } from './caseNote.js';
import { labelColour } from './labelColours.js';

/** Lower lines are wider, so that all are visible where they agree. */
const lineWidths: Readonly<Record<MaskName, number>> = { prediction: 1.5, a: 1.5, b: 3, reference: 4.5 };

/** The contours of a mask in one slice, or in several that stand below each other. */
export interface Contours {
  /** In voxels. */
  readonly width: number;
  readonly height: number;
  /** SVG paths by label. Labels that the slices do not show are missing. */
  readonly paths: ReadonlyMap<number, string>;
}

/** The fragment of a picture's address that shows one label only. */
export const labelFragment = (value: number): string => `label-${value}`;

/**
 * The contours of a mask as an SVG picture. The fragment `#label-3` shows the label 3 only, in the colour of
 * the mask.
 *
 * @param labels All labels of the case.
 * @param byLabel Whether each label has a colour. The reference's lines are then pale.
 */
export function contourSvg(
  contours: Contours,
  mask: MaskName,
  labels: readonly number[],
  byLabel: boolean,
): string {
  const { width, height, paths } = contours;
  const colour = contourColours[mask];
  const pale = byLabel && mask === 'reference' ? ' stroke-opacity=".55"' : '';
  // A label without a path still needs an element: without a target, all labels are shown.
  const drawn = labels.map((label) => {
    const stroke = byLabel ? labelColour(label, labels) : colour;
    return `<path id="${labelFragment(label)}" stroke="${stroke}" d="${paths.get(label) ?? ''}"/>`;
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none">` +
    '<style>path{vector-effect:non-scaling-stroke}svg:has(:target) path:not(:target){display:none}' +
    `path:target{stroke:${colour};stroke-opacity:1}</style>` +
    `<g fill="none" stroke-width="${lineWidths[mask]}"${pale} stroke-linecap="square" ` +
    `shape-rendering="crispEdges">${drawn.join('')}</g></svg>\n`
  );
}
