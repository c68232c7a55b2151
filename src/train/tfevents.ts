import { appendFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder, writeFault } from '../formats/aside.js';

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

/** CRC-32C (Castagnoli), as in iSCSI (RFC 3720). */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = table[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** The checksum in TensorFlow's record files: rotated by 15 bits, plus a constant. */
function masked(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** A record: length, its checksum, content, its checksum. */
export function eventRecord(content: Uint8Array): Buffer {
  const record = Buffer.alloc(content.length + 16);
  record.writeBigUInt64LE(BigInt(content.length), 0);
  record.writeUInt32LE(masked(record.subarray(0, 8)), 8);
  record.set(content, 12);
  record.writeUInt32LE(masked(content), 12 + content.length);
  return record;
}

// Fields of a Protocol Buffers message: number and wire type, then the value.
const varint = (value: number): number[] => {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
};
const integer = (field: number, value: number) => Buffer.from([...varint(field * 8), ...varint(value)]);
const bytesField = (field: number, value: Uint8Array) =>
  Buffer.concat([Buffer.from([...varint(field * 8 + 2), ...varint(value.length)]), value]);
const textField = (field: number, value: string) => bytesField(field, Buffer.from(value));
const floatField = (field: number, value: number) => {
  const bytes = Buffer.alloc(5);
  bytes[0] = field * 8 + 5;
  bytes.writeFloatLE(value, 1);
  return bytes;
};
const doubleField = (field: number, value: number) => {
  const bytes = Buffer.alloc(9);
  bytes[0] = field * 8 + 1;
  bytes.writeDoubleLE(value, 1);
  return bytes;
};

/**
 * Writes scalars for TensorBoard (`events.out.tfevents.…`): TensorFlow's record format around `Event`
 * messages. Added values are kept in memory until `flush`.
 */
export class EventWriter {
  #pending: Buffer[];

  /**
   * @param file A new file. TensorBoard merges all files of a folder.
   * @param from The step that the training starts at. What other files of the folder have from there on is
   * ignored.
   */
  constructor(
    readonly file: string,
    from: number,
    now = Date.now(),
  ) {
    const time = doubleField(1, now / 1000);
    this.#pending = [eventRecord(Buffer.concat([time, textField(3, 'brain.Event:2')]))];
    if (from > 0) {
      const restarted = bytesField(7, integer(1, 1));
      this.#pending.push(eventRecord(Buffer.concat([time, integer(2, from), restarted])));
    }
  }

  /** Adds the values of tags at a step. */
  add(step: number, values: Readonly<Record<string, number>>, now = Date.now()): void {
    const summary = Object.entries(values).map(([tag, value]) =>
      bytesField(1, Buffer.concat([textField(1, tag), floatField(2, value)])),
    );
    const event = [doubleField(1, now / 1000), integer(2, step), bytesField(5, Buffer.concat(summary))];
    this.#pending.push(eventRecord(Buffer.concat(event)));
  }

  /** Appends the added values to the file. Throws DataError if it cannot be written. */
  async flush(): Promise<void> {
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    if (bytes.length === 0) return;
    try {
      await makeFolder(dirname(this.file));
      await appendFile(this.file, bytes);
    } catch (error) {
      throw writeFault(this.file, error);
    }
  }
}
