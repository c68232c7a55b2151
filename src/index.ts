// The public API of voxstream. Everything that is not exported here is private.

// Cases and volumes
export {
  type Case,
  type CaseFile,
  makeCase,
  type SeriesFiles,
  type SpacedFile,
  withMetrics,
  withNotes,
  withVolumes,
} from './case.js';
export { DataError, ModelError, OptionError, VoxError } from './errors.js';
export {
  type FileGrid,
  type ImageFormat,
  imageFormat,
  type ReadOptions,
  readVolume,
  registerFormat,
  stripImageExtension,
} from './formats/index.js';
export { writeNifti } from './formats/writeNifti.js';
// Metrics over the cases of one run, and of two runs
export { type Comparison, compareRuns, comparisonTable } from './metrics/compare.js';
export type { ColumnDescription } from './metrics/describeColumns.js';
export type {
  Better,
  Implications,
  MaskFact,
  MetricDescription,
  MetricsRow,
  MetricValue,
} from './metrics/metric.js';
export {
  type ColumnSummary,
  type Summary,
  type SummaryOptions,
  summarize,
  summaryTable,
} from './metrics/summary.js';
// Where work runs
export { type ModelLease, openModel } from './models/openModel.js';
export { activations } from './operators/activations.js';
export { adjustContrast } from './operators/adjustContrast.js';
export { asDiscrete } from './operators/asDiscrete.js';
export { averageSurfaceDistance } from './operators/averageSurfaceDistance.js';
export { type Batch, type BatchOptions, type BatchTensor, batch } from './operators/batch.js';
export { borderPad } from './operators/borderPad.js';
export { cache } from './operators/cache.js';
export { centerCrop } from './operators/centerCrop.js';
// Operators
export { clearIfEmpty } from './operators/clearIfEmpty.js';
export { clearOutside } from './operators/clearOutside.js';
export { clip } from './operators/clip.js';
export { components } from './operators/components.js';
export { concatItems } from './operators/concatItems.js';
export { confusion } from './operators/confusion.js';
export { convertToMultiChannelBrats } from './operators/convertToMultiChannelBrats.js';
export { copyItems } from './operators/copyItems.js';
export { cropForeground } from './operators/cropForeground.js';
export { cropNonzero } from './operators/cropNonzero.js';
export type { Operator, StepContext, WrappedSteps } from './operators/define.js';
export {
  defineMetric,
  defineMetrics,
  type FoundMetric,
  type Metric,
  type MetricOperator,
  type MetricsSpec,
} from './operators/defineMetric.js';
export { deleteItems } from './operators/deleteItems.js';
export { dice } from './operators/dice.js';
export { divisiblePad } from './operators/divisiblePad.js';
export type { EvaluatedLabel } from './operators/evaluatedLabels.js';
export {
  type Evaluation,
  evaluationTypes,
  type MetricSpec,
  type PredictionEvaluation,
} from './operators/evaluation.js';
export { fillHoles } from './operators/fillHoles.js';
export { flip } from './operators/flip.js';
export { gaussianSmooth } from './operators/gaussianSmooth.js';
export { hausdorff } from './operators/hausdorff.js';
export { histogramNormalize } from './operators/histogramNormalize.js';
export { inference } from './operators/inference.js';
export { invert } from './operators/invert.js';
export { iou } from './operators/iou.js';
export { joinLabels } from './operators/joinLabels.js';
export { joinSlabs } from './operators/joinSlabs.js';
export { keepLabels } from './operators/keepLabels.js';
export { keepLargestComponent } from './operators/keepLargestComponent.js';
export { labelStatistics } from './operators/labelStatistics.js';
export { labelToContour } from './operators/labelToContour.js';
export { load } from './operators/load.js';
export { loadProbabilities } from './operators/loadProbabilities.js';
export { mapCase, mapVolumes } from './operators/map.js';
export { mapLabels } from './operators/mapLabels.js';
export { mergeClasses } from './operators/mergeClasses.js';
export { nameLabels } from './operators/nameLabels.js';
export { nanToNum } from './operators/nanToNum.js';
export { nnunet } from './operators/nnunet.js';
export { normalizeByPlans } from './operators/normalizeByPlans.js';
export { normalizeIntensity } from './operators/normalizeIntensity.js';
export { orient } from './operators/orient.js';
export { permuteAxes } from './operators/permuteAxes.js';
export { probabilities } from './operators/probabilities.js';
export { rand3DElastic } from './operators/rand3DElastic.js';
export { randAdjustContrast } from './operators/randAdjustContrast.js';
export { randAffine } from './operators/randAffine.js';
export { randAxisFlip } from './operators/randAxisFlip.js';
export { randBiasField } from './operators/randBiasField.js';
export { randCropByLabelClasses } from './operators/randCropByLabelClasses.js';
export { randCropByPosNegLabel } from './operators/randCropByPosNegLabel.js';
export { randFlip } from './operators/randFlip.js';
export { randGaussianNoise } from './operators/randGaussianNoise.js';
export { randGaussianSmooth } from './operators/randGaussianSmooth.js';
export { randHistogramShift } from './operators/randHistogramShift.js';
export { randRotate } from './operators/randRotate.js';
export { randRotate90 } from './operators/randRotate90.js';
export { randScaleIntensity } from './operators/randScaleIntensity.js';
export { randShiftIntensity } from './operators/randShiftIntensity.js';
export { randSpatialCrop } from './operators/randSpatialCrop.js';
export { randZoom } from './operators/randZoom.js';
export { regionLabels } from './operators/regionLabels.js';
export { removeSmallComponents } from './operators/removeSmallComponents.js';
export { removeSmallObjects } from './operators/removeSmallObjects.js';
export { resampleByPlans } from './operators/resampleByPlans.js';
export { resampleToMatch } from './operators/resampleToMatch.js';
export { resize } from './operators/resize.js';
export { resizeWithPadOrCrop } from './operators/resizeWithPadOrCrop.js';
export { rotate90 } from './operators/rotate90.js';
export { scaleIntensity } from './operators/scaleIntensity.js';
export { scaleIntensityRange } from './operators/scaleIntensityRange.js';
export { scaleIntensityRangePercentiles } from './operators/scaleIntensityRangePercentiles.js';
export { selectChannels } from './operators/selectChannels.js';
export { type ShuffleOptions, shuffle } from './operators/shuffle.js';
export { skin } from './operators/skin.js';
export { spacing } from './operators/spacing.js';
export { spatialCrop } from './operators/spatialCrop.js';
export { spatialPad } from './operators/spatialPad.js';
export { splitSlabs } from './operators/splitSlabs.js';
export { surfaceDice } from './operators/surfaceDice.js';
export { thresholdIntensity } from './operators/thresholdIntensity.js';
export { totalseg } from './operators/totalseg.js';
export { truncate } from './operators/truncate.js';
export { uncertainty } from './operators/uncertainty.js';
export { volume } from './operators/volume.js';
export { zoom } from './operators/zoom.js';
export { zoomToSpacing } from './operators/zoomToSpacing.js';
// Options of operators, sources and sinks: `OptionsOf<typeof spacing>`
export type { OptionsOf } from './options.js';
// Pipelines
export type { Failure, RunEvent } from './pipeline/events.js';
export { loadRegistry } from './pipeline/extensions.js';
export { loadPipeline, parsePipeline } from './pipeline/load.js';
export { readMetrics } from './pipeline/readMetrics.js';
export { createRegistry, type Extension, type Registry } from './pipeline/registry.js';
export { type RunResult, runPipeline } from './pipeline/run.js';
export type { RunOptions } from './pipeline/runOptions.js';
export { pipelineSchema } from './pipeline/schema.js';
export { stream } from './pipeline/stream.js';
export type { Pipeline } from './pipeline/types.js';
export { createRuntime, defaultRuntime, type Runtime, type RuntimeSettings } from './runtime/runtime.js';
export { type Task, type TaskFunction, task } from './runtime/task.js';
// Sources and sinks
export { type Sink, type SinkContext, saveTo } from './sinks/define.js';
export { dicomSegSink } from './sinks/dicomSeg.js';
export { dicomwebSink } from './sinks/dicomweb.js';
export { niftiSink } from './sinks/nifti.js';
export { nnunetProbabilitiesSink } from './sinks/nnunetProbabilities.js';
export { rtstructSink } from './sinks/rtstruct.js';
export { datalist } from './sources/datalist.js';
export { decathlon } from './sources/decathlon.js';
export type { FetchedCase, RefusedCase, RemoteCase, SourceItem } from './sources/define.js';
export { dicom } from './sources/dicom.js';
export { dicomweb } from './sources/dicomweb.js';
export { glob } from './sources/glob.js';
export { pairs } from './sources/pairs.js';
// Volumes
export { axcodesOf } from './volume/orientation.js';
export { type Affine, type Grid, makeVolume, type Vec3, type Volume } from './volume/volume.js';
