import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Case, volumeOf } from '../case.js';
import { DataError } from '../errors.js';
import { readElements } from '../formats/dicom/elements.js';
import { textOf } from '../formats/dicom/values.js';
import { type Server, serverAt } from '../formats/dicomweb/server.js';
import { serverFaults, serverOptions } from '../formats/dicomweb/serverOptions.js';
import { type StoredObject, storeObject } from '../formats/dicomweb/stow.js';
import { temporaryFolder } from '../formats/temporaryFolder.js';
import type { OptionValues } from '../options.js';
import type { Runtime } from '../runtime/runtime.js';
import { sink } from './define.js';
import { type DerivedTask, derivedOptions, seriesOf } from './derived.js';
import { writeRtStructTask } from './writeRtStructTask.js';
import { writeSegTask } from './writeSegTask.js';

const writers: Readonly<Record<'seg' | 'rtstruct', DerivedTask>> = {
  seg: writeSegTask,
  rtstruct: writeRtStructTask,
};

const { dir: _, ...objectOptions } = derivedOptions;

const options = {
  ...serverOptions,
  objects: z
    .array(z.enum(['seg', 'rtstruct']))
    .min(1)
    .default(['seg'])
    .describe('What to store of each label map: a segmentation (seg), contours (rtstruct), or both'),
  ...objectOptions,
};

type Options = OptionValues<typeof options>;

/**
 * A sink that stores label maps on a DICOMweb server (STOW-RS), as the objects that the sinks `dicomSeg` and
 * `rtstruct` write. UIDs are made from the content: storing the same result again changes nothing.
 *
 * @throws OptionError when opened, if the token's variable is not set; DataError on the stream if the server
 * cannot be reached or does not store an object.
 */
export const dicomwebSink = sink({
  name: 'dicomweb',
  summary: 'Stores label maps on a DICOMweb server, as DICOM segmentations or contours of their series.',
  options,
  check: (options) => serverFaults(options),
  example: { url: 'https://pacs.example/dicom-web', tokenEnv: 'PACS_TOKEN', keys: 'pred' },
  open: async (options, { runtime }) => {
    const server = serverAt(options.url, options.tokenEnv);
    return {
      async write(subject) {
        for (const key of [options.keys].flat()) {
          for (const kind of options.objects) {
            const warnings = await store(server, subject, key, kind, options, runtime);
            for (const warning of warnings) runtime.settings.onWarning?.(warning);
          }
        }
      },
    };
  },
});

/** Makes an object of a label map and stores it. Returns warnings. */
async function store(
  server: Server,
  subject: Case,
  key: string,
  kind: keyof typeof writers,
  { keys: _keys, image, objects: _objects, url: _url, tokenEnv: _token, ...rest }: Options,
  runtime: Runtime,
): Promise<string[]> {
  const folder = await temporaryFolder('dicomweb');
  try {
    const file = join(folder.path, `${kind}.dcm`);
    const series = seriesOf(subject, image, 'dicomweb');
    const request = { ...rest, file, id: subject.id, key, series, volume: volumeOf(subject, key) };
    const made = await runtime.run(writers[kind], request);
    const what = `the ${kind === 'seg' ? 'segmentation' : 'contours'} of ${key} of case ${subject.id}`;
    return [...made, ...(await storeObject(server, await objectIn(file), what))];
  } finally {
    await folder.remove();
  }
}

async function objectIn(file: string): Promise<StoredObject> {
  const elements = await readElements(file);
  const set = elements && elements !== 'empty' ? elements.dataSet : undefined;
  const [study, sopInstance] = ['x0020000d', 'x00080018'].map((tag) => (set ? textOf(set, tag) : undefined));
  if (!study || !sopInstance) {
    throw new DataError(
      'The series has no StudyInstanceUID, so its results cannot be stored on a server. Export it again.',
    );
  }
  return { study, sopInstance, bytes: await readFile(file) };
}
