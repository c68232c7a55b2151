import type { Image } from 'itk-wasm';
import { messageOf } from '../../errors.js';
import { runItkPipeline } from '../itkWasm.js';
import type { PixelLayout } from './header.js';
import { minimalFile } from './minimalFile.js';
import { pixelArray, type StoredPixels } from './pixels.js';
import { isHighThroughput } from './transferSyntax.js';

// Codecs are loaded when the first compressed file is read: most datasets need none.

/**
 * The stored numbers of compressed frames of one layout and transfer syntax.
 *
 * @throws Error with a clause that says what is wrong, if one cannot be decoded.
 */
export function decodeCompressed(
  frames: readonly Buffer[],
  layout: PixelLayout,
  transferSyntax: string,
): Promise<StoredPixels[]> {
  return isHighThroughput(transferSyntax)
    ? decodeWithOpenJph(frames, layout)
    : decodeWithItk(frames, layout, transferSyntax);
}

/**
 * By itk-wasm (GDCM), which decodes every frame exactly, but as a reader of series loses slices and places.
 * So it gets frames in files of our own, without any header that it could misunderstand.
 */
async function decodeWithItk(
  frames: readonly Buffer[],
  layout: PixelLayout,
  transferSyntax: string,
): Promise<StoredPixels[]> {
  const { InterfaceTypes } = await import('itk-wasm');
  const files = frames.map((frame, i) => ({
    path: `${i}.dcm`,
    data: new Uint8Array(minimalFile(frame, i, layout, transferSyntax)),
  }));
  const [output] = await runItkPipeline(
    '@itk-wasm/dicom',
    'read-image-dicom-file-series',
    ['0', '1', '--memory-io', '--input-images', ...files.map(({ path }) => path), '--single-sorted-series'],
    [{ type: InterfaceTypes.Image }, { type: InterfaceTypes.JsonCompatible }],
    files.map((data) => ({ type: InterfaceTypes.BinaryFile, data })),
  );
  const image = output.data as Image;
  const { rows, columns } = layout;
  const [width, height, depth = 1] = image.size;
  if (width !== columns || height !== rows || depth !== frames.length) {
    throw new Error(`it holds ${width} x ${height} pixels, but its header says ${columns} x ${rows}`);
  }
  const values = image.data;
  if (!values || values.length !== frames.length * rows * columns)
    throw new Error('itk-wasm returned too few pixels');
  return frames.map((_, i) => {
    const pixels = pixelArray(layout);
    for (let at = 0, from = i * pixels.length; at < pixels.length; at++)
      pixels[at] = Number(values[from + at]);
    return pixels;
  });
}

/** High-throughput JPEG 2000, which itk-wasm does not know. */
async function decodeWithOpenJph(frames: readonly Buffer[], layout: PixelLayout): Promise<StoredPixels[]> {
  const { default: load } = await import('@cornerstonejs/codec-openjph');
  openJph ??= load();
  const { HTJ2KDecoder } = await openJph;
  return frames.map((frame) => {
    const decoder = new HTJ2KDecoder();
    try {
      decoder.getEncodedBuffer(frame.length).set(frame);
      decoder.decode();
      const { width, height, bitsPerSample, componentCount, isSigned } = decoder.getFrameInfo();
      const { rows, columns } = layout;
      if (width !== columns || height !== rows || componentCount !== 1) {
        throw new Error(
          `it holds ${width} x ${height} pixels of ${componentCount} value(s), but its header says ${columns} x ${rows}`,
        );
      }
      const pixels = pixelArray(layout);
      const bytes = decoder.getDecodedBuffer();
      const size = bitsPerSample > 16 ? 4 : bitsPerSample > 8 ? 2 : 1;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let i = 0; i < pixels.length; i++) {
        if (size === 2) pixels[i] = isSigned ? view.getInt16(2 * i, true) : view.getUint16(2 * i, true);
        else if (size === 1) pixels[i] = isSigned ? view.getInt8(i) : view.getUint8(i);
        else pixels[i] = view.getInt32(4 * i, true);
      }
      return pixels;
    } catch (error) {
      // It throws addresses of C++ exceptions.
      throw typeof error === 'number' ? new Error('openjph cannot decode it') : new Error(messageOf(error));
    } finally {
      decoder.delete();
    }
  });
}

let openJph: ReturnType<typeof import('@cornerstonejs/codec-openjph').default> | undefined;
