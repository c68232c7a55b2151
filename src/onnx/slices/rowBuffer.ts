import type { Slices, SliceWriter } from './values.js';

/** The version of ONNX's operators from which on there is `TensorScatter`, which `RowBuffer` uses. */
export const rowBufferOpset = 24;

interface Part {
  readonly rows: string;
  readonly first: number;
  readonly count: number;
}

/** Smaller values are joined at the end: that is faster than writing in place, and takes little memory. */
const joinedBytes = 16 * 2 ** 20;

/** Whether slices of a number of values each are written part by part into one buffer, in place. */
export function writesInPlace({ inPlace }: SliceWriter, [depth, values]: readonly [number, number]): boolean {
  return inPlace && 4 * depth * values >= joinedBytes;
}

/**
 * Slices that are written part by part. Joining the parts at the end would hold every slice twice, so with
 * one window per run, each part of a large value is written into a buffer in place, by `TensorScatter`.
 *
 * ONNX Runtime works in place where it knows that input and output have the same size. The number of windows
 * is declared under a separate name for each buffer: with the number itself, or the same name, it would
 * also keep each buffer for a later one of the same size, and need much more memory.
 */
export class RowBuffer {
  readonly #depth: number;
  readonly #values: number;
  readonly #inPlace: boolean;
  readonly #parts: Part[] = [];
  #rows = '';

  /**
   * @param shape The number of slices, and of values in each.
   * @param over Slices of the same size to write over. Default: new rows.
   */
  constructor(
    readonly writer: SliceWriter,
    [depth, values]: readonly [number, number],
    over?: Slices,
  ) {
    this.#depth = depth;
    this.#values = values;
    this.#inPlace = writesInPlace(writer, [depth, values]);
    if (!over || !this.#inPlace) return;
    const shape = writer.shape([-1, depth, values]);
    // `allowzero` changes nothing here. Without it, ONNX Runtime would merge this node with others that make
    // rows of the same slices, and lose the declared size.
    this.#declare(writer.graph.addNode('Reshape', [over.name, shape], { allowzero: 1 }));
  }

  /** Writes `count` slices, given as rows [N, count, values], from slice `first` on. Parts come in order. */
  write(rows: string, first: number, count: number): void {
    this.#parts.push({ rows, first, count });
  }

  /**
   * The rows with all that was written so far, [N, depth, values].
   *
   * The nodes that write come here, behind those that made the parts: of the inputs of a node, ONNX Runtime
   * computes first the one whose node comes last in the file. So it writes each part before it makes the next
   * one, and holds one part at a time.
   */
  get rows(): string {
    const parts = this.#parts.splice(0);
    if (this.#inPlace) for (const part of parts) this.#writeInPlace(part);
    else
      this.#rows = this.#joined([
        ...(this.#rows === '' ? [] : [this.#rows]),
        ...parts.map(({ rows }) => rows),
      ]);
    return this.#rows;
  }

  #joined(parts: readonly string[]): string {
    return parts.length === 1 ? parts[0] : this.writer.graph.addNode('Concat', parts, { axis: 1 });
  }

  #writeInPlace({ rows, first, count }: Part): void {
    const { writer } = this;
    const { graph } = writer;
    if (count === this.#depth) this.#rows = rows;
    else if (this.#rows === '') {
      const pads = writer.shape([0, first, 0, 0, this.#depth - first - count, 0]);
      this.#declare(graph.addNode('Pad', [rows, pads]));
    } else {
      const place = writer.shape([first]);
      this.#rows = graph.addNode('TensorScatter', [this.#rows, rows, place], { axis: 1 });
    }
  }

  #declare(rows: string): void {
    const dims = [`${rows}.windows`, this.#depth, this.#values];
    this.writer.graph.declared.push({ name: rows, type: 'float32', dims });
    this.#rows = rows;
  }
}

/** Ranges of about equal size that divide `count` items of some bytes; each takes at most `most` bytes. */
export function chunksOf(count: number, bytes: number, most: number): [first: number, count: number][] {
  const chunks = Math.ceil(count / Math.max(1, Math.floor(most / Math.max(1, bytes))));
  return Array.from({ length: chunks }, (_, i) => {
    const first = Math.floor((i * count) / chunks);
    return [first, Math.floor(((i + 1) * count) / chunks) - first];
  });
}
