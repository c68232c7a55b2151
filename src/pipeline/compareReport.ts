import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { CaseFile } from '../case.js';
import { messageOf, OptionError } from '../errors.js';
import { makeFolder } from '../formats/aside.js';
import { writeFileAside } from '../formats/files.js';
import { maskOf } from '../mask.js';
import type { Comparison } from '../metrics/compare.js';
import type { MetricsRow } from '../metrics/metric.js';
import type { OptionsOf } from '../options.js';
import { comparedCases, type LabelMover, worstLabelMovers } from '../report/comparison.js';
import { comparisonPage, pageMark } from '../report/comparisonPage.js';
import { addNotes, notesOrFault } from '../report/notesFiles.js';
import {
  caseFolder,
  casesFolder,
  type ReportData,
  type RunRecord,
  readNote,
  readRunRecord,
  sinkOptions,
} from '../report/read.js';
import { browserScript } from '../report/write.js';
import type { Runtime } from '../runtime/runtime.js';
import { drawCaseTask, type reportSink } from '../sinks/report.js';
import { findCaseFiles, withLocalFiles } from './caseFiles.js';
import { Journal, type JournalEntry } from './journal.js';
import type { ReportExtras } from './remakeReport.js';

/** A run that is compared. */
export interface ComparedRun {
  /** The folder of the run, or its CSV file, on this machine. */
  readonly path: string;
  /** What the user gave. Default: the path. */
  readonly place?: string;
  readonly rows: readonly MetricsRow[];
}

/** A report that compares two runs. */
export interface ComparisonReport {
  /** The path of the page. */
  readonly page: string;
  readonly data: ReportData;
  /** The number of cases that were drawn. */
  readonly drawn: number;
  /** Why the worst movers have no pictures, or not all, by their ids. */
  readonly unpictured: ReadonlyMap<string, string>;
}

interface ComparisonOptions extends Pick<ReportExtras, 'subgroups' | 'notes'> {
  readonly folder: string;
  /** How many cases that got worse are drawn. */
  readonly movers: number;
  readonly runtime: Runtime;
}

/**
 * Writes a report that compares two runs: tables, paired plots, and pictures of the cases that got worse the
 * most with the contours of both runs. The image and the masks are read from where the runs had them; masks
 * also from the reports of the runs.
 *
 * @throws OptionError if the folder has another page.
 * @throws DataError if the report cannot be written.
 */
export async function writeComparison(
  [a, b]: readonly [ComparedRun, ComparedRun],
  comparison: Comparison,
  { folder, movers, runtime, subgroups, notes }: ComparisonOptions,
): Promise<ComparisonReport> {
  const page = join(folder, 'index.html');
  await refuseOtherPage(page);
  await makeFolder(folder);
  if (notes !== undefined) await addNotes(notes, folder);
  const sources = [await openSource(a.path), await openSource(b.path)] as const;
  const worst = worstLabelMovers(a.rows, b.rows, movers);
  const unpictured = new Map<string, string>();
  let drawn = 0;
  for (const mover of worst) {
    const problem = await drawMover(
      mover,
      sources,
      join(folder, casesFolder, caseFolder(mover.case)),
      runtime,
    );
    if (problem === undefined) drawn++;
    else unpictured.set(mover.case, problem);
  }
  const cases = await Promise.all(
    comparedCases(a.rows, b.rows).map(async (one) => ({
      ...one,
      ...(worst.some((mover) => mover.case === one.id)
        ? { note: await readNote(folder, one.id), unpictured: unpictured.get(one.id) }
        : { unpictured: undrawn(worst.length) }),
    })),
  );
  const data: ReportData = {
    ...{ cases, failures: [], subgroups, run: { pipeline: { name: 'comparison' } } },
    ...(await notesOrFault(folder)),
  };
  const runs = [a, b].map(({ path, place = path }, i) => ({ path: place, record: sources[i].run }));
  const text = comparisonPage({ runs, comparison, data, movers: worst }, await browserScript('page'));
  await writeFileAside(page, text);
  return { page, data, drawn, unpictured };
}

/** Why a case that is not among the `worst` ones has no pictures. */
const undrawn = (worst: number) =>
  worst === 0
    ? 'Pictures are only drawn of cases that got worse, and none did.'
    : `Pictures are only drawn of the cases that got worse the most, here ${worst}. --movers N sets their number.`;

/** Throws OptionError if there is a page that no comparison wrote. */
async function refuseOtherPage(page: string): Promise<void> {
  const text = await readFile(page, 'utf8').catch(() => undefined);
  if (text === undefined || text.includes(pageMark)) return;
  throw new OptionError(
    `${page} exists and is not a comparison by voxstream. Name another folder with --report FOLDER.`,
  );
}

/** Where the volumes of a run are. */
interface Source {
  readonly run: RunRecord;
  /** The folder of the run; undefined for a CSV file. */
  readonly folder: string | undefined;
  readonly entries: ReadonlyMap<string, JournalEntry>;
  readonly options: OptionsOf<typeof reportSink>;
}

async function openSource(path: string): Promise<Source> {
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() === true;
  const run = (isFolder ? await readRunRecord(path) : undefined) ?? {};
  return {
    run,
    folder: isFolder ? path : undefined,
    entries: isFolder ? await new Journal(path).read() : new Map(),
    options: sinkOptions<OptionsOf<typeof reportSink>>(run, 'report') ?? {},
  };
}

/** Draws a case with the contours of both runs. Returns what is missing, as a sentence. */
async function drawMover(
  { case: id, label }: LabelMover,
  sources: readonly [Source, Source],
  folder: string,
  runtime: Runtime,
): Promise<string | undefined> {
  const [a, b] = await Promise.all(sources.map((source) => filesOf(source, id)));
  if (!a.prediction || !b.prediction) {
    return `There is no segmentation of this case in ${[...(a.prediction ? [] : ['A']), ...(b.prediction ? [] : ['B'])].join(' and ')}.`;
  }
  const names = a.labelNames ?? b.labelNames ?? {};
  const value = Object.keys(names).find((one) => names[Number(one)] === label) ?? label ?? undefined;
  const reference = a.reference ?? b.reference;
  const image = a.image ?? b.image;
  const files = {
    a: a.prediction,
    b: b.prediction,
    ...(image && { image }),
    ...(reference && { reference }),
  };
  const { window, slices } = sources[0].options;
  const secrets = new Map([...a.secrets, ...b.secrets]);
  try {
    await withLocalFiles(files, ({ image: grey, ...masks }) =>
      runtime.run(drawCaseTask, {
        case: id,
        folder,
        ...(grey && { image: grey }),
        ...(image && { imageName: image }),
        masks,
        labelNames: names,
        ...(Number.isInteger(Number(value)) && { focus: Number(value) }),
        ...(window && { window }),
        ...(slices !== undefined && { slices }),
        secrets,
      }),
    );
    return undefined;
  } catch (error) {
    return maskOf({ secrets })(messageOf(error));
  }
}

/** The files of a case in a run. Masks that the run did not save may be in its report. */
async function filesOf({ folder, entries, options }: Source, id: string) {
  const entry = entries.get(id);
  const { files, secrets } = await findCaseFiles(entry ?? {}, options);
  const report = folder === undefined ? undefined : join(folder, options.dir ?? 'report');
  const note = report === undefined ? undefined : await readNote(report, id);
  const copy = (name: 'prediction' | 'reference'): CaseFile | undefined =>
    report !== undefined && note?.masks.includes(name)
      ? join(report, casesFolder, caseFolder(id), `${name}.nii.gz`)
      : undefined;
  return {
    image: files.image,
    prediction: files.prediction ?? copy('prediction'),
    reference: files.reference ?? copy('reference'),
    labelNames:
      entry?.labelNames ?? (note && Object.fromEntries(note.labels.map(({ value, name }) => [value, name]))),
    secrets,
  };
}
