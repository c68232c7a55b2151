import type { LabelCode, Volume } from '../../volume/volume.js';
import type { Anatomy } from './anatomy.js';
import type { CodedSegment, Segment } from './segments.js';
import { manufacturer, segmentationClass } from './sopClasses.js';
import { dot, normalOf, originOf, type Stack } from './stack.js';
import type { StudyFields } from './studyFields.js';
import { uidOf } from './uid.js';

/** What a segmentation object is made of. */
export interface SegRequest {
  readonly stack: Stack;
  readonly study: StudyFields;
  readonly frameOfReference: string;
  readonly segments: readonly CodedSegment[];
  /** On the stack's grid. */
  readonly volume: Volume;
  readonly seriesDescription: string;
  readonly algorithm: string;
  /** The case's id and the label map's key, a part of what UIDs are made from. */
  readonly id: string;
  readonly version: string;
  /** `[YYYYMMDD, HHMMSS]` of the source. */
  readonly contentTime: readonly [string, string];
}

interface Frame {
  readonly segment: Segment;
  readonly plane: number;
}

/**
 * A DICOM segmentation (binary) with attributes by keyword, as dcmjs writes them. PS3.3, A.51.
 *
 * A frame for each segment and plane that has a voxel of it; a result without a voxel gets one empty frame,
 * because a file without frames is not allowed. UIDs are made from the content, so the same content gives the
 * same file.
 */
export function segObject(request: SegRequest): object {
  const { stack, study, segments, volume, seriesDescription, algorithm, id, version } = request;
  const { rows, columns } = stack.slices[0].file.layout;
  const source = stack.slices[0].file;
  const frames = framesOf(segments, volume);
  const pixels = packFrames(frames, volume);
  const identity = [
    id,
    ...stack.slices.map(({ file, frame }) => `${file.sopInstance} ${frame}`),
    JSON.stringify([
      segments,
      frames.length,
      seriesDescription,
      algorithm,
      version,
      request.frameOfReference,
    ]),
    pixels,
  ];
  const dimensions = uidOf('dimensions', ...identity);
  const { orientation, spacing } = stack.slices[0];
  const between = Math.abs(dot(stack.step, normalOf(orientation)));
  const [contentDate, contentTime] = request.contentTime;
  return {
    _vrMap: { PixelData: 'OB' },
    _meta: {},
    SpecificCharacterSet: 'ISO_IR 192',
    ImageType: ['DERIVED', 'PRIMARY'],
    SOPClassUID: segmentationClass,
    SOPInstanceUID: uidOf('instance', ...identity),
    ...study,
    StudyInstanceUID: source.study,
    Modality: 'SEG',
    SeriesInstanceUID: uidOf('series', ...identity),
    SeriesNumber: String((source.seriesNumber ?? 0) + 1000),
    SeriesDescription: seriesDescription,
    FrameOfReferenceUID: request.frameOfReference,
    PositionReferenceIndicator: '',
    ...equipment(version),
    InstanceNumber: '1',
    ContentDate: contentDate,
    ContentTime: contentTime,
    ContentLabel: 'SEGMENTATION',
    ContentDescription: '',
    ContentCreatorName: '',
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    NumberOfFrames: String(frames.length),
    Rows: rows,
    Columns: columns,
    BitsAllocated: 1,
    BitsStored: 1,
    HighBit: 0,
    PixelRepresentation: 0,
    LossyImageCompression: '00',
    SegmentationType: 'BINARY',
    SegmentSequence: segments.map((segment) => describeSegment(segment, algorithm)),
    DimensionOrganizationSequence: [{ DimensionOrganizationUID: dimensions }],
    DimensionIndexSequence: [
      dimension(dimensions, [0x0062000b, 0x0062000a], 'ReferencedSegmentNumber'),
      dimension(dimensions, [0x00200032, 0x00209113], 'ImagePositionPatient'),
    ],
    SharedFunctionalGroupsSequence: [
      {
        PlaneOrientationSequence: [{ ImageOrientationPatient: orientation.map(decimal) }],
        PixelMeasuresSequence: [
          {
            SliceThickness: decimal(between),
            SpacingBetweenSlices: decimal(between),
            PixelSpacing: spacing.map(decimal),
          },
        ],
      },
    ],
    PerFrameFunctionalGroupsSequence: frames.map((frame) => describeFrame(frame, stack)),
    ReferencedSeriesSequence: referencedSeries(stack),
    PixelData: [pixels.buffer],
  };
}

/** Who made an object. */
export function equipment(version: string): object {
  return {
    Manufacturer: manufacturer,
    ManufacturerModelName: 'voxstream',
    DeviceSerialNumber: '1',
    SoftwareVersions: version,
  };
}

/** The series and instances that an object refers to, as an item of a sequence. */
interface ReferencedSeries {
  readonly SeriesInstanceUID: string;
  readonly ReferencedInstanceSequence: readonly object[];
}

/** The series and instances of a stack. */
export function referencedSeries({ slices }: Stack): readonly [ReferencedSeries] {
  const files = [...new Set(slices.map(({ file }) => file))];
  return [
    {
      ReferencedInstanceSequence: files.map(({ sopClass, sopInstance }) => ({
        ReferencedSOPClassUID: sopClass,
        ReferencedSOPInstanceUID: sopInstance,
      })),
      SeriesInstanceUID: files[0].series,
    },
  ];
}

/** A code as an item of a sequence. */
export function codeItem({ value, scheme, meaning }: LabelCode): object {
  return { CodeValue: value, CodingSchemeDesignator: scheme, CodeMeaning: meaning };
}

/** A number as a decimal string, which may have 16 characters. */
export function decimal(value: number): string {
  for (let digits = 17; ; digits--) {
    const text = String(Number(value.toPrecision(digits)));
    if (text.length <= 16) return text;
  }
}

function describeSegment({ number, label, name, anatomy }: CodedSegment, algorithm: string): object {
  return {
    SegmentNumber: number,
    SegmentLabel: name.slice(0, 64),
    SegmentDescription: `Label ${label}`,
    SegmentAlgorithmType: 'AUTOMATIC',
    SegmentAlgorithmName: algorithm,
    SegmentedPropertyCategoryCodeSequence: [codeItem(anatomy.category)],
    SegmentedPropertyTypeCodeSequence: [
      {
        ...codeItem(anatomy.type),
        ...(anatomy.modifier && { SegmentedPropertyTypeModifierCodeSequence: [codeItem(anatomy.modifier)] }),
      },
    ],
    ...(anatomy.region && { AnatomicRegionSequence: [regionItem(anatomy.region)] }),
  };
}

function regionItem({ type, modifier }: NonNullable<Anatomy['region']>): object {
  return {
    ...codeItem(type),
    ...(modifier && { AnatomicRegionModifierSequence: [codeItem(modifier)] }),
  };
}

function dimension(organization: string, [pointer, group]: readonly [number, number], label: string): object {
  return {
    DimensionOrganizationUID: organization,
    DimensionIndexPointer: pointer,
    FunctionalGroupPointer: group,
    DimensionDescriptionLabel: label,
  };
}

function framesOf(segments: readonly Segment[], { data, size }: Volume): Frame[] {
  const pixels = size[0] * size[1];
  const byLabel = new Map(segments.map((segment) => [segment.label, new Set<number>()]));
  for (let plane = 0; plane < size[2]; plane++) {
    const seen = new Set(data.subarray(plane * pixels, (plane + 1) * pixels));
    for (const label of seen) byLabel.get(label)?.add(plane);
  }
  const frames = segments.flatMap((segment) =>
    [...(byLabel.get(segment.label) ?? [])].map((plane): Frame => ({ segment, plane })),
  );
  return frames.length > 0 ? frames : [{ segment: segments[0], plane: 0 }];
}

/**
 * The masks of all frames, one bit per pixel, the lowest bit first, without gaps between frames. PS3.5,
 * 8.1.1.
 */
function packFrames(frames: readonly Frame[], { data, size }: Volume): Uint8Array<ArrayBuffer> {
  const pixels = size[0] * size[1];
  const bytes = Math.ceil((frames.length * pixels) / 8);
  const out = new Uint8Array(bytes + (bytes % 2));
  for (const [i, { segment, plane }] of frames.entries()) {
    const from = plane * pixels;
    const to = i * pixels;
    for (let at = 0; at < pixels; at++) {
      if (data[from + at] === segment.label) out[(to + at) >> 3] |= 1 << ((to + at) & 7);
    }
  }
  return out;
}

function describeFrame({ segment, plane }: Frame, stack: Stack): object {
  const { low, fraction } = stack.planes[plane];
  const own = fraction === 0 ? stack.slices[low] : undefined;
  return {
    FrameContentSequence: [{ DimensionIndexValues: [segment.number, plane + 1] }],
    PlanePositionSequence: [{ ImagePositionPatient: originOf(stack, plane).map(decimal) }],
    SegmentIdentificationSequence: [{ ReferencedSegmentNumber: segment.number }],
    // Planes between slices come from no single image.
    DerivationImageSequence: own
      ? [
          {
            DerivationCodeSequence: [codeItem({ value: '113076', scheme: 'DCM', meaning: 'Segmentation' })],
            SourceImageSequence: [
              {
                ReferencedSOPClassUID: own.file.sopClass,
                ReferencedSOPInstanceUID: own.file.sopInstance,
                ...(own.file.frames > 1 && { ReferencedFrameNumber: String(own.frame + 1) }),
                PurposeOfReferenceCodeSequence: [
                  codeItem({
                    value: '121322',
                    scheme: 'DCM',
                    meaning: 'Source image for image processing operation',
                  }),
                ],
              },
            ],
          },
        ]
      : [],
  };
}
