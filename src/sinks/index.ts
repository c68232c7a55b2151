import type { AnySink } from './define.js';
import { dicomSegSink } from './dicomSeg.js';
import { dicomwebSink } from './dicomweb.js';
import { metricsCsvSink } from './metricsCsv.js';
import { niftiSink } from './nifti.js';
import { nnunetProbabilitiesSink } from './nnunetProbabilities.js';
import { reportSink } from './report.js';
import { rtstructSink } from './rtstruct.js';
import { statisticsJsonSink } from './statisticsJson.js';
import { summarySink } from './summary.js';

/** The sinks that come with voxstream. */
export const sinks: readonly AnySink[] = [
  niftiSink,
  metricsCsvSink,
  summarySink,
  statisticsJsonSink,
  reportSink,
  dicomSegSink,
  rtstructSink,
  nnunetProbabilitiesSink,
  dicomwebSink,
];
