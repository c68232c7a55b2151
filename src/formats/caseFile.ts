import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Case } from '../case.js';
import { DataError } from '../errors.js';
import { Columns, unknownColumn } from '../metrics/columns.js';
import { type ColumnDescription, describeColumns, readColumns } from '../metrics/describeColumns.js';
import { type JsonValues, valuesFromJson, valuesToJson } from '../metrics/valuesAsJson.js';
import { allocate, type Volume, type VoxelArray, type VoxelType, voxelTypeOf } from '../volume/volume.js';
import { writeAside } from './aside.js';

const magic = 'voxcase2';

/** The part of a case that is stored: its volumes, and the results of steps. */
export type KeptCase = Pick<Case, 'volumes' | 'metrics' | 'notes'>;

interface StoredVolume extends Omit<Volume, 'data'> {
  readonly type: VoxelType;
  readonly length: number;
}

interface Header extends Pick<Case, 'notes'> {
  readonly metrics: JsonValues;
  readonly columns: Readonly<Record<string, ColumnDescription>>;
  readonly volumes: Readonly<Record<string, StoredVolume>>;
}

/** The bytes of voxels, as a view. */
function bytesOf(data: VoxelArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * Writes a case's volumes and metrics into one file, whole or not at all: the text `voxcase2`, the header's
 * length (uint32, little endian), the header as JSON, and the voxels of the volumes in the header's order and
 * this machine's byte order.
 */
export function writeCaseFile(file: string, { volumes, metrics, notes }: KeptCase): Promise<void> {
  const stored = Object.entries(volumes).map(([key, { data, ...rest }]) => {
    return [key, { ...rest, type: voxelTypeOf(data), length: data.length }] as const;
  });
  const columns = new Columns();
  const content: Header = {
    ...(notes && { notes }),
    metrics: valuesToJson(columns.add(metrics)),
    columns: describeColumns(columns.all()),
    volumes: Object.fromEntries(stored),
  };
  const header = Buffer.from(JSON.stringify(content));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  return writeAside(file, async (temporary) => {
    const handle = await open(temporary, 'w');
    try {
      await handle.writeFile(Buffer.concat([Buffer.from(magic), length, header]));
      for (const { data } of Object.values(volumes)) await handle.writeFile(bytesOf(data));
    } finally {
      await handle.close();
    }
  });
}

/**
 * Reads what `writeCaseFile` wrote. Throws DataError for another kind of file, and for one that is not
 * complete.
 */
export async function readCaseFile(file: string): Promise<KeptCase> {
  const damaged = (what: string) =>
    new DataError(
      `${file} is not a complete case file of voxstream: ${what}. Delete it; it is written again.`,
    );
  const handle = await open(file, 'r');
  try {
    const start = Buffer.alloc(magic.length + 4);
    await handle.read(start, 0, start.length, 0);
    if (start.subarray(0, magic.length).toString() !== magic)
      throw damaged(`it does not begin with "${magic}"`);
    const headerBytes = Buffer.alloc(start.readUInt32LE(magic.length));
    await handle.read(headerBytes, 0, headerBytes.length, start.length);
    const { notes, metrics, columns, volumes } = JSON.parse(headerBytes.toString()) as Header;
    const described = readColumns(columns);
    const made: Record<string, Volume> = {};
    let at = start.length + headerBytes.length;
    for (const [key, { type, length, ...rest }] of Object.entries(volumes)) {
      const data = allocate(type, length);
      const bytes = bytesOf(data);
      const end = at + bytes.length;
      let to = 0;
      if (bytes.length > 0) {
        for await (const chunk of createReadStream(file, {
          start: at,
          end: end - 1,
          highWaterMark: 1 << 22,
        })) {
          bytes.set(chunk, to);
          to += chunk.length;
        }
      }
      if (to !== bytes.length) throw damaged(`it ends before the voxels of ${key} do`);
      made[key] = { ...rest, data };
      at = end;
    }
    const columnOf = (name: string) => described.get(name) ?? unknownColumn(name);
    return { ...(notes && { notes }), metrics: valuesFromJson(metrics, columnOf), volumes: made };
  } catch (error) {
    throw error instanceof SyntaxError ? damaged('its header is not JSON') : error;
  } finally {
    await handle.close();
  }
}
