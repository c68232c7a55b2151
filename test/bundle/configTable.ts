import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readCommandLine } from '#src/bundle/config/commandLine.js';
import { type BundleConfig, loadBundleConfig } from '#src/bundle/config/load.js';
import { temporaryFolder } from '../e2e/harness.js';

/** An input of the configuration language and what MONAI made of it (see `shared/bundles/README.md`). */
export interface ConfigCase {
  readonly name: string;
  readonly folder: string;
  readonly files?: readonly string[];
  readonly meta_file?: string;
  readonly overrides?: Readonly<Record<string, unknown>>;
  readonly command_line?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly tree?: readonly string[];
  readonly contents?: Readonly<Record<string, unknown>>;
  readonly expect?: Readonly<Record<string, unknown>>;
  readonly errors?: Readonly<Record<string, string>>;
  readonly types?: Readonly<Record<string, string>>;
  readonly fails?: string;
  readonly components?: Readonly<Record<string, unknown>>;
  readonly run_init_final_ids?: readonly string[];
  readonly unordered?: readonly string[];
}

/** Lays out the files of a case, goes to its folder, and calls a function there. */
export function inFolderOf<T>(
  one: ConfigCase,
  layOut: (folder: string) => void,
  run: (
    load: (extra?: Readonly<Record<string, unknown>>) => BundleConfig,
    fill: (value: unknown) => unknown,
  ) => T,
): T {
  const folder = temporaryFolder();
  const fake = join(folder, 'fake');
  const work = join(folder, 'work');
  mkdirSync(fake);
  mkdirSync(work);
  layOut(work);
  for (const file of one.tree ?? []) write(join(fake, file), '');
  for (const [file, text] of Object.entries(one.contents ?? {})) {
    write(join(fake, file), typeof text === 'string' ? text : JSON.stringify(text));
  }
  const fill = (value: unknown): unknown => JSON.parse(JSON.stringify(value).replaceAll('{fake}', fake));
  const load = (extra: Readonly<Record<string, unknown>> = {}) => {
    const args = { config_file: one.files, meta_file: one.meta_file, ...one.overrides, ...extra };
    const argsFile = join(folder, 'args.json');
    write(argsFile, JSON.stringify(fill(args)));
    const words = (one.command_line as string[] | undefined) ?? ['--args_file', argsFile];
    return loadBundleConfig(readCommandLine(fill(words) as string[]), {
      environment: one.env ?? {},
      accelerators: 0,
      warn: () => {},
    });
  };
  const before = process.cwd();
  process.chdir(work);
  try {
    return run(load, fill);
  } finally {
    process.chdir(before);
  }
}

/** Writes a file and makes its folders. */
export function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** The part of the table that is in the repository. */
export const fixtures: {
  readonly cases: readonly ConfigCase[];
  readonly files: Readonly<Record<string, string>>;
} = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/bundleConfig/cases.json', import.meta.url), 'utf8'),
);

/** Writes the files of a case of the repository. */
export function layOutFixture(one: ConfigCase): (folder: string) => void {
  return (folder) => {
    const inside = `${one.folder}/`;
    for (const [file, text] of Object.entries(fixtures.files)) {
      if (file.startsWith(inside)) write(join(folder, file.slice(inside.length)), text);
    }
  };
}
