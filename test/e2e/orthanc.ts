import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '../freePort.js';
import { type Missing, program } from '../needs.js';
import { temporaryFolder } from './harness.js';

const plugin = '/usr/share/orthanc/plugins/libOrthancDicomWeb.so';

/** The need for an Orthanc server with its DICOMweb plugin. */
export const orthanc: Missing =
  program('Orthanc', 'orthanc orthanc-dicomweb') ??
  (existsSync(plugin) ? undefined : 'the DICOMweb plugin of Orthanc: apt-get install orthanc-dicomweb');

/** A running Orthanc. */
export interface Orthanc {
  /** The address of its DICOMweb services. */
  readonly url: string;
  /** The header Authorization that it asks for. */
  readonly authorization: string;
  /** Requests a path of its own interface. */
  readonly request: (path: string, body?: Buffer<ArrayBuffer>) => Promise<Response>;
  readonly remove: (path: string) => Promise<Response>;
  readonly stop: () => Promise<void>;
}

/**
 * Starts an Orthanc with an empty database. It answers requests of this machine only, and asks for a
 * password.
 */
export async function startOrthanc(): Promise<Orthanc> {
  const folder = temporaryFolder();
  const port = await freePort();
  const config = join(folder, 'orthanc.json');
  const settings = {
    Name: 'test',
    StorageDirectory: join(folder, 'db'),
    IndexDirectory: join(folder, 'db'),
    HttpPort: port,
    HttpBindAddresses: ['127.0.0.1'],
    RemoteAccessAllowed: false,
    AuthenticationEnabled: true,
    RegisteredUsers: { voxstream: 'pass' },
    DicomServerEnabled: false,
    Plugins: [plugin],
    DicomWeb: { Enable: true, Root: '/dicom-web/' },
  };
  writeFileSync(config, JSON.stringify(settings));
  const child = spawn('Orthanc', [config], { stdio: 'ignore' });
  const stopNow = () => child.kill('SIGKILL');
  process.once('exit', stopNow);
  const authorization = `Basic ${Buffer.from('voxstream:pass').toString('base64')}`;
  const send = (path: string, more: RequestInit) =>
    fetch(`http://127.0.0.1:${port}${path}`, { headers: { Authorization: authorization }, ...more });
  const request = (path: string, body?: Buffer<ArrayBuffer>) =>
    send(path, body ? { method: 'POST', body } : {});
  // It is ready when it answers.
  while (
    !(await request('/system').then(
      ({ ok }) => ok,
      () => false,
    ))
  ) {
    if (child.exitCode !== null) throw new Error(`Orthanc ended with code ${child.exitCode}.`);
    await wait(100);
  }
  return {
    url: `http://127.0.0.1:${port}/dicom-web`,
    authorization,
    request,
    remove: (path) => send(path, { method: 'DELETE' }),
    async stop() {
      process.off('exit', stopNow);
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
}
