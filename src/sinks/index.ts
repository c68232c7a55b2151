import type { AnySinkDefinition } from './define.js';
import { metricsCsvDefinition } from './metricsCsv.js';
import { niftiDefinition } from './nifti.js';
import { reportDefinition } from './report.js';
import { summaryDefinition } from './summary.js';

/** The sinks that come with voxstream. */
export const sinkDefinitions: readonly AnySinkDefinition[] = [
  niftiDefinition,
  metricsCsvDefinition,
  summaryDefinition,
  reportDefinition,
];
