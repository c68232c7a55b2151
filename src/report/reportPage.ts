import { type SummaryOptions, summarize } from '../metrics/summary.js';
import { nothing } from './html.js';
import { pageData } from './pageData.js';
import { pageFrame, type Section } from './pageFrame.js';
import { metricsRows, type ReportData, type RunRecord, sinkOptions } from './read.js';
import { casesSection } from './sections/cases.js';
import { failuresSection } from './sections/failures.js';
import { plotsSection } from './sections/plots.js';
import { provenanceSection } from './sections/provenance.js';
import { subgroupsSection } from './sections/subgroups.js';
import { summarySection } from './sections/summary.js';

/** The page of a report: one HTML file that needs only the pictures beside it. */
export function reportPage(data: ReportData, script: string): string {
  const page = pageData(data, 'voxstream report FOLDER');
  const { undefinedAs } = sinkOptions<SummaryOptions>(data.run, 'summary') ?? {};
  const summary = summarize(metricsRows(data.cases), { seed: data.run.pipeline?.runtime?.seed, undefinedAs });
  const sections: Section[] = [
    { id: 'summary', title: 'Summary', body: summarySection(data, summary, page) },
    { id: 'cases', title: 'Cases', body: casesSection(page) },
    { id: 'plots', title: 'Plots', body: plotsSection(data, page) },
    { id: 'subgroups', title: 'Subgroups', body: subgroupsSection(data, page) },
    { id: 'failures', title: 'Failures', body: failuresSection(data) },
    { id: 'provenance', title: 'Provenance', body: provenanceSection(data.run) },
  ];
  return pageFrame({
    kind: 'voxstream report',
    name: page.name,
    meta: metaLine(data.run),
    sections: sections.filter(({ body }) => body !== nothing),
    page,
    script,
  });
}

function metaLine({ started, device, models, interrupted, seconds, cases }: RunRecord): string {
  const parts = [
    ...(started ? [`${started.slice(0, 10)} ${started.slice(11, 16)} UTC`] : []),
    ...(models ?? []).map(({ name }) => `model ${name}`),
    // A run without a model did not look for a device.
    ...(device && device !== 'auto' ? [`device ${device}`] : []),
    ...(interrupted ? ['interrupted'] : []),
    ...(seconds === undefined
      ? [`unfinished${cases ? ` (${cases} cases planned)` : ''}: still running, or killed`]
      : []),
  ];
  return parts.join(' · ');
}
