// The public API of voxstream. What is not exported here is private.

// Cases and volumes
export { type Case, makeCase, withMetrics, withVolumes } from './case.js';
export { DataError, ModelError, OptionError, VoxError } from './errors.js';
export { readVolume, stripImageExtension } from './formats/index.js';
export { writeNifti } from './formats/writeNifti.js';
// Metrics over the cases of a run, and of two
export { type Comparison, compareRuns, comparisonTable } from './metrics/compare.js';
export { readMetrics } from './metrics/readMetrics.js';
export {
  type MetricsRow,
  type Summary,
  type SummaryOptions,
  summarize,
  summaryTable,
} from './metrics/summary.js';
// Operators
export { type ActivationsOptions, activations } from './operators/activations.js';
export { type AsDiscreteOptions, asDiscrete } from './operators/asDiscrete.js';
export {
  type AverageSurfaceDistanceOptions,
  averageSurfaceDistance,
} from './operators/averageSurfaceDistance.js';
export { type Batch, type BatchOptions, type BatchTensor, batch } from './operators/batch.js';
export { type CacheOptions, cache } from './operators/cache.js';
export { type CenterCropOptions, centerCrop } from './operators/centerCrop.js';
export { type ComponentsOptions, components } from './operators/components.js';
export { confusion } from './operators/confusion.js';
export { type CropForegroundOptions, cropForeground } from './operators/cropForeground.js';
export {
  defineOperator,
  type FormerSteps,
  type OperatorDefinition,
  type StepContext,
} from './operators/define.js';
export { dice } from './operators/dice.js';
export { type FillHolesOptions, fillHoles } from './operators/fillHoles.js';
export { type HausdorffOptions, hausdorff } from './operators/hausdorff.js';
export { type InferenceOptions, inference } from './operators/inference.js';
export { type InvertOptions, invert } from './operators/invert.js';
export { iou } from './operators/iou.js';
export { type KeepLargestComponentOptions, keepLargestComponent } from './operators/keepLargestComponent.js';
export { type LoadOptions, load } from './operators/load.js';
export { mapCase, mapVolumes } from './operators/map.js';
export { type MapLabelsOptions, mapLabels } from './operators/mapLabels.js';
export { type NormalizeIntensityOptions, normalizeIntensity } from './operators/normalizeIntensity.js';
export { type OrientOptions, orient } from './operators/orient.js';
export { type RandAffineOptions, randAffine } from './operators/randAffine.js';
export {
  type RandCropByPosNegLabelOptions,
  randCropByPosNegLabel,
} from './operators/randCropByPosNegLabel.js';
export { type RandFlipOptions, randFlip } from './operators/randFlip.js';
export { type RandGaussianNoiseOptions, randGaussianNoise } from './operators/randGaussianNoise.js';
export { type RandGaussianSmoothOptions, randGaussianSmooth } from './operators/randGaussianSmooth.js';
export { type RandRotate90Options, randRotate90 } from './operators/randRotate90.js';
export { type RandScaleIntensityOptions, randScaleIntensity } from './operators/randScaleIntensity.js';
export { type RandShiftIntensityOptions, randShiftIntensity } from './operators/randShiftIntensity.js';
export { type RemoveSmallObjectsOptions, removeSmallObjects } from './operators/removeSmallObjects.js';
export { type ResampleToMatchOptions, resampleToMatch } from './operators/resampleToMatch.js';
export { type ScaleIntensityRangeOptions, scaleIntensityRange } from './operators/scaleIntensityRange.js';
export { type ShuffleOptions, shuffle } from './operators/shuffle.js';
export { type SpacingOptions, spacing } from './operators/spacing.js';
export { type SpatialPadOptions, spatialPad } from './operators/spatialPad.js';
export { type SurfaceDiceOptions, surfaceDice } from './operators/surfaceDice.js';
export { volume } from './operators/volume.js';
// Pipelines
export type { Failure, RunEvent } from './pipeline/events.js';
export { loadPipeline, parsePipeline } from './pipeline/load.js';
export { createRegistry, type Extensions, type Registry } from './pipeline/registry.js';
export { type RunOptions, type RunResult, runPipeline } from './pipeline/run.js';
export { pipelineSchema } from './pipeline/schema.js';
export type { Pipeline } from './pipeline/types.js';
// Where work runs
export { createRuntime, defaultRuntime, type Runtime, type RuntimeSettings } from './runtime/runtime.js';
export { type Task, type TaskFunction, task } from './runtime/task.js';
// Sources and sinks
export { defineSink, type Sink, type SinkContext, type SinkDefinition, saveTo } from './sinks/define.js';
export { type NiftiOptions, niftiSink } from './sinks/nifti.js';
export { type DatalistOptions, datalist } from './sources/datalist.js';
export { type DecathlonOptions, decathlon } from './sources/decathlon.js';
export { defineSource, type RefusedCase, type SourceDefinition, type SourceItem } from './sources/define.js';
export { type GlobOptions, glob } from './sources/glob.js';
export { type PairsOptions, pairs } from './sources/pairs.js';
// Volumes
export { axcodesOf } from './volume/orientation.js';
export { type Affine, type Grid, makeVolume, type Vec3, type Volume } from './volume/volume.js';
