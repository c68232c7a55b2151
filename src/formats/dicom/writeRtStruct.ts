import { version } from '../../version.js';
import { outlinesOf, type Ring } from './contours.js';
import { type DerivedRequest, type DerivedSource, sourceOf, writeObject } from './derived.js';
import { type Segment, segmentsOf } from './segments.js';
import { codeItem, decimal, equipment, referencedSeries } from './segObject.js';
import { originOf, type Stack } from './stack.js';
import { uidOf } from './uid.js';

/** An outline in a plane of a stack. */
interface Outline {
  readonly plane: number;
  /** LPS in mm, to a micrometre: x, y and z of each point. */
  readonly points: readonly number[];
}

/**
 * Writes a label map as an RT structure set of its series: closed planar contours in mm on the source's
 * slices.
 *
 * @returns Warnings, a sentence each.
 * @throws DataError if the label map is not on the series' grid, if a label has no name, or if the file
 * cannot be written.
 */
export async function writeRtStruct(request: DerivedRequest): Promise<readonly string[]> {
  const { file, id, key, volume } = request;
  const source = await sourceOf(request);
  const segments = segmentsOf(volume, `The ${key} of case ${id}`, request);
  const [width, height, depth] = volume.size;
  const outlines = segments.map(({ label }) =>
    Array.from({ length: depth }, (_, plane) => {
      const voxels = volume.data.subarray(plane * width * height, (plane + 1) * width * height);
      return outlinesOf(voxels, width, height, label).map((ring) => placed(ring, plane, source.stack));
    }).flat(),
  );
  await writeObject(file, structureSet(request, source, segments, outlines));
  return source.warnings;
}

/** A ring in mm. */
function placed(ring: Ring, plane: number, stack: Stack): Outline {
  const { orientation, spacing } = stack.slices[0];
  const origin = originOf(stack, plane);
  const points = ring.flatMap(([x, y]) =>
    origin.map((mm, i) => {
      const value = mm + x * spacing[1] * orientation[i] + y * spacing[0] * orientation[3 + i];
      return Math.round(value * 1000) / 1000;
    }),
  );
  return { plane, points };
}

/** An RT structure set with attributes by keyword, as dcmjs writes them. PS3.3, A.19. */
function structureSet(
  { id, key, seriesDescription, algorithm }: DerivedRequest,
  { stack, study, frameOfReference, contentTime }: DerivedSource,
  segments: readonly Segment[],
  outlines: readonly (readonly Outline[])[],
): object {
  const [first] = stack.slices;
  const instances = stack.slices.map(({ file, frame }) => `${file.sopInstance} ${frame}`);
  const identity = [
    `${id} ${key}`,
    ...instances,
    JSON.stringify([segments, outlines, seriesDescription, algorithm, version, frameOfReference]),
  ];
  const [date, time] = contentTime;
  const [{ ReferencedInstanceSequence, SeriesInstanceUID }] = referencedSeries(stack);
  return {
    // Implicit: with an explicit representation a contour could have no more than 64 KiB.
    _meta: { TransferSyntaxUID: { Value: ['1.2.840.10008.1.2'] } },
    SpecificCharacterSet: 'ISO_IR 192',
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.481.3',
    SOPInstanceUID: uidOf('rtstruct', ...identity),
    ...study,
    StudyInstanceUID: first.file.study,
    Modality: 'RTSTRUCT',
    SeriesInstanceUID: uidOf('rtstruct series', ...identity),
    SeriesNumber: String((first.file.seriesNumber ?? 0) + 2000),
    SeriesDescription: seriesDescription,
    OperatorsName: '',
    FrameOfReferenceUID: frameOfReference,
    PositionReferenceIndicator: '',
    ...equipment(version),
    InstanceNumber: '1',
    StructureSetLabel: 'VOXSTREAM',
    StructureSetDate: date,
    StructureSetTime: time,
    ReferencedFrameOfReferenceSequence: [
      {
        FrameOfReferenceUID: frameOfReference,
        RTReferencedStudySequence: [
          {
            // Detached Study Management, which the standard still asks for.
            ReferencedSOPClassUID: '1.2.840.10008.3.1.2.3.1',
            ReferencedSOPInstanceUID: first.file.study,
            RTReferencedSeriesSequence: [
              { SeriesInstanceUID, ContourImageSequence: ReferencedInstanceSequence },
            ],
          },
        ],
      },
    ],
    StructureSetROISequence: segments.map(({ number, name }) => ({
      ROINumber: String(number),
      ReferencedFrameOfReferenceUID: frameOfReference,
      ROIName: name.slice(0, 64),
      ROIGenerationAlgorithm: 'AUTOMATIC',
      ROIGenerationDescription: algorithm,
    })),
    ROIContourSequence: segments.map(({ number }, i) => ({
      ROIDisplayColor: colourOf(i).map(String),
      ReferencedROINumber: String(number),
      ...(outlines[i].length > 0 && {
        ContourSequence: outlines[i].map((outline) => contourItem(outline, stack)),
      }),
    })),
    RTROIObservationsSequence: segments.map(({ number, anatomy }) => ({
      ObservationNumber: String(number),
      ReferencedROINumber: String(number),
      ...(anatomy && { RTROIIdentificationCodeSequence: [codeItem(anatomy.type)] }),
      RTROIInterpretedType: '',
      ROIInterpreter: '',
    })),
  };
}

function contourItem({ plane, points }: Outline, { slices, planes }: Stack): object {
  const { low, fraction } = planes[plane];
  const { file, frame } = slices[low];
  return {
    ...(fraction === 0 && {
      ContourImageSequence: [
        {
          ReferencedSOPClassUID: file.sopClass,
          ReferencedSOPInstanceUID: file.sopInstance,
          ...(file.frames > 1 && { ReferencedFrameNumber: String(frame + 1) }),
        },
      ],
    }),
    ContourGeometricType: 'CLOSED_PLANAR',
    NumberOfContourPoints: String(points.length / 3),
    ContourData: points.map(decimal),
  };
}

/** Colours that differ well, red first: hues a golden angle apart. */
function colourOf(index: number): [number, number, number] {
  const hue = (index * 137.508) % 360;
  const channel = (shift: number) => {
    const k = (shift + hue / 30) % 12;
    return Math.round(255 * (0.55 - 0.45 * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}
