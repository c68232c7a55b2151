import { inflateRawSync } from 'node:zlib';
import dicomParser, { type DataSet } from 'dicom-parser';
import { messageOf } from '../../errors.js';
import { memoryLimit } from '../../machine.js';
import { type Opener, readStart, withFile } from '../openFile.js';

/** Transfer syntaxes that a data set without a preamble may have. */
const implicitLittle = '1.2.840.10008.1.2';
const explicitLittle = '1.2.840.10008.1.2.1';

/** Tags of elements that hold pixels: integers, floats and doubles. */
export const pixelTags = ['x7fe00010', 'x7fe00008', 'x7fe00009'] as const;

/** What the start of a DICOM file says, up to its pixels. */
export interface DicomElements {
  readonly dataSet: DataSet;
  /** Bytes of the file; of the inflated content for a deflated file. */
  readonly bytes: number;
  /** True if the data set is deflated, so that positions count in the inflated content. */
  readonly deflated: boolean;
  /** Why parsing stopped early; undefined for a sound header. Elements before that place are usable. */
  readonly fault?: string;
}

/** Headers are mostly shorter than this, and reading more would cost more than a second try. */
const firstRead = 64 << 10;

/**
 * Reads the elements of a DICOM file up to its pixels. A file without the preamble of part 10 is recognized
 * by its first element, which has to be one of group 0008.
 *
 * @param open How the file is opened. Default: `withFile`.
 * @returns Undefined if the file is not DICOM; 'empty' for a file without a byte.
 * @throws DataError if the file cannot be read.
 */
export function readElements(
  file: string,
  open: Opener = withFile,
): Promise<DicomElements | 'empty' | undefined> {
  return open(file, async (opened, fileBytes) => {
    if (fileBytes === 0) return 'empty';
    for (let length = firstRead; ; length *= 8) {
      const start = await readStart(opened, length);
      const syntax = syntaxWithoutPreamble(start);
      if (!hasPreamble(start) && !syntax) return undefined;
      const whole = start.length >= fileBytes;
      const parsed = parseElements(start, fileBytes, syntax);
      if (parsed.deflated && !whole) {
        return parseElements(await readStart(opened, fileBytes), fileBytes, syntax);
      }
      if (whole || pixelTags.some((tag) => parsed.dataSet.elements[tag])) return parsed;
    }
  });
}

/**
 * The content of a deflated file after inflation, for positions in `dataSet`. Throws DataError if it cannot
 * be read.
 */
export function readInflated(file: string): Promise<Uint8Array> {
  return withFile(file, async (open, fileBytes) => {
    const { dataSet } = parseElements(await readStart(open, fileBytes), fileBytes, undefined);
    return dataSet.byteArray;
  });
}

function hasPreamble(start: Buffer): boolean {
  return start.toString('latin1', 128, 132) === 'DICM';
}

/** The likely transfer syntax of a data set that begins without a preamble; undefined if it is none. */
function syntaxWithoutPreamble(start: Buffer): string | undefined {
  if (start.length < 16 || start.readUInt16LE(0) !== 8 || start.readUInt16LE(2) > 0x70) return undefined;
  if (/^(CS|UI|UL|SH|DA|LO)$/.test(start.toString('latin1', 4, 6))) return explicitLittle;
  return start.readUInt32LE(4) < 256 ? implicitLittle : undefined;
}

/** The most bytes that a deflated file may inflate to. */
const largestContent = 2 ** 31;

/** Never throws: what dicom-parser cannot read becomes `fault`. */
function parseElements(start: Buffer, fileBytes: number, syntax: string | undefined): DicomElements {
  let inflated: number | undefined;
  const inflater = (bytes: Uint8Array, position: number) => {
    const header = bytes.subarray(0, position);
    inflated = position;
    const content = inflateRawSync(bytes.subarray(position), {
      maxOutputLength: Math.min(memoryLimit(), largestContent),
    });
    inflated += content.length;
    return Buffer.concat([header, content]);
  };
  const finish = (dataSet: DataSet, fault?: string): DicomElements => ({
    dataSet,
    bytes: inflated ?? fileBytes,
    deflated: inflated !== undefined,
    ...(fault !== undefined && { fault }),
  });
  try {
    const options = { untilTag: 'x7fe00010', inflater, ...(syntax && { TransferSyntaxUID: syntax }) };
    return finish(dicomParser.parseDicom(start, options));
  } catch (thrown) {
    const { exception, dataSet } = thrown as { exception?: unknown; dataSet?: DataSet };
    const fault = messageOf(exception ?? thrown).replace(/^dicomParser[\w.]*: */, '');
    return finish(dataSet ?? emptyDataSet(), fault);
  }
}

/** The data set of a file whose first elements cannot be read. */
function emptyDataSet(): DataSet {
  return dicomParser.parseDicom(new Uint8Array(0), { TransferSyntaxUID: explicitLittle });
}
