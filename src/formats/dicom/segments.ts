import { DataError, listNames, show } from '../../errors.js';
import type { LabelCode, Volume } from '../../volume/volume.js';
import { type Anatomy, anatomyByCode, anatomyOf } from './anatomy.js';

/** One structure of a label map, as DICOM objects describe it. */
export interface Segment {
  /** From 1, without gaps. */
  readonly number: number;
  /** Its value in the label map. */
  readonly label: number;
  readonly name: string;
  /** Undefined for a name that has no code. */
  readonly anatomy?: Anatomy;
}

/** A segment with a code. */
export interface CodedSegment extends Segment {
  readonly anatomy: Anatomy;
}

/** How labels become segments. */
export interface SegmentOptions {
  /** Keep segments without a voxel, so that numbers are the same for all cases. */
  readonly emptySegments: 'keep' | 'omit';
  /** Codes by label name. They precede those of the volume and of `anatomyOf`. */
  readonly codes: Readonly<Record<string, LabelCode>>;
}

/**
 * The segments of a label map, by ascending label.
 *
 * @param name What messages call the label map.
 * @throws DataError if it is not a label map of one channel, or if a label has no name.
 */
export function segmentsOf(
  { data, kind, channels, labelNames = {}, labelCodes = {} }: Volume,
  name: string,
  { emptySegments, codes }: SegmentOptions,
): Segment[] {
  if (kind !== 'label' || channels !== 1) {
    throw new DataError(
      `${name} holds ${kind === 'label' ? `${channels} channels` : kind}, but a label map of one channel was expected. Put ` +
        'asDiscrete with argmax before the end of the steps.',
    );
  }
  const present = new Set<number>(data);
  present.delete(0);
  const named = Object.keys(labelNames).map(Number);
  const labels = [...new Set([...named, ...present])].filter((label) => label !== 0).sort((a, b) => a - b);
  const nameless = labels.filter((label) => !labelNames[label]);
  if (nameless.length > 0) {
    throw new DataError(
      `${name} has the label(s) ${listNames(nameless.map(String))}, which have no name. Name them in the model's card ` +
        '(labels), or change them with mapLabels.',
    );
  }
  return labels
    .filter((label) => emptySegments === 'keep' || present.has(label))
    .map((label, i) => {
      const own = labelNames[label];
      const given = [codes, labelCodes].find((table) => Object.hasOwn(table, own))?.[own];
      const anatomy = given ? anatomyByCode(given) : anatomyOf(own);
      return { number: i + 1, label, name: own, ...(anatomy && { anatomy }) };
    });
}

/**
 * The segments, all of which have a code.
 *
 * @param name What messages call the label map.
 * @throws DataError if one has none.
 */
export function codedSegments(segments: readonly Segment[], name: string): CodedSegment[] {
  return segments.map((segment) => {
    if (isCoded(segment)) return segment;
    const codeless = segments.filter((one) => !isCoded(one)).map((one) => show(one.name));
    throw new DataError(
      `${name} has the label(s) ${listNames(codeless)}, for which no SNOMED CT code is known. Give one with the option codes: ` +
        '{ NAME: { value: "78961009", meaning: "Spleen" } }, or under codes in the model\'s card.',
    );
  });
}

function isCoded(segment: Segment): segment is CodedSegment {
  return segment.anatomy !== undefined;
}
