// The API for packages that add operators, metrics, sources and sinks: `import … from 'voxstream/author'`.
// Such a package has an `Extension` as its default export, and `--use PACKAGE` loads it. See
// docs/extending.md.

// The library of option types. Packages must use this instance.
export { z } from 'zod';
// Cases and volumes
export {
  type Case,
  chooseKeys,
  geometryKeys,
  type Keys,
  makeCase,
  volumeOf,
  withMetrics,
  withNotes,
  withVolumes,
} from './case.js';
export { DataError, listNames, ModelError, OptionError, show, unknownName, VoxError } from './errors.js';
// File formats for images
export { type FileGrid, type ImageFormat, imageFormat, type ReadOptions } from './formats/index.js';
// Metrics
export type { Implications, MaskFact, MetricDescription, MetricValue } from './metrics/metric.js';
// Networks, and the parts of a training
export { type Network, type NetworkSpec, network } from './onnx/builders/network.js';
export type { NetworkBuilder } from './onnx/builders/networkBuilder.js';
export type { Ops } from './onnx/ops.js';
export { type Loss, type LossTask, loss } from './onnx/training/loss.js';
export { type Optimizer, optimizer, type Slot, type WeightStep } from './onnx/training/optimizer.js';
export { type Schedule, schedule, timed, timing } from './onnx/training/schedule.js';
// Operators
export { type Operator, type OperatorSpec, operator, type StepContext } from './operators/define.js';
export {
  defineMetric,
  defineMetrics,
  type LabelMetric,
  type Metric,
  type MetricOperator,
  type MetricsSpec,
} from './operators/defineMetric.js';
export { drawFrom, drawRangeType, drawsFor, probType, seedType } from './operators/draws.js';
export type { EvaluatedLabel } from './operators/evaluatedLabels.js';
export {
  type Evaluation,
  evaluationTypes,
  type MetricSpec,
  type PredictionEvaluation,
} from './operators/evaluation.js';
export {
  bytesOf,
  type Forecast,
  type Forecaster,
  foresee,
  foreseeFloats,
  foreseeVolumes,
  onGrid,
  resampledForecast,
  type VolumeForecast,
} from './operators/forecast.js';
export {
  type FusedSteps,
  type Fusion,
  optionsFor,
  type PlacedStep,
} from './operators/fusion.js';
export { mapCase, mapRandomly, mapVolumes, splitCase } from './operators/map.js';
export { inParts } from './operators/parts.js';
export type { GivenOptions, OptionsOf, OptionTypes, OptionValues, ValuesOf } from './options.js';
export { byKey, connectivity, forKey, keysType, labelNumbers, perAxis } from './optionTypes.js';
export type { Extension } from './pipeline/registry.js';
// Threads, lanes and devices
export type { LaneName, Runtime } from './runtime/runtime.js';
export { type Task, task } from './runtime/task.js';
// Sinks and sources
export { type Sink, type SinkContext, type SinkOf, type SinkSpec, sink } from './sinks/define.js';
export {
  caseInside,
  type FetchedCase,
  pathInside,
  type RefusedCase,
  type RemoteCase,
  type Source,
  type SourceItem,
  type SourceSpec,
  source,
} from './sources/define.js';
// Places where files are
export {
  type FileInfo,
  type ListedFile,
  type NewContent,
  type ReadRange,
  type Storage,
  storage,
} from './storage/define.js';
export { StorageFault } from './storage/retry.js';
// Volumes
export { sameGrid, voxelVolume } from './volume/affine.js';
export { Random } from './volume/random.js';
export {
  type Affine,
  allocate,
  allocateLike,
  channelsOf,
  type Grid,
  makeVolume,
  type Vec3,
  type Volume,
  type VolumeKind,
  type VoxelArray,
  type VoxelType,
  voxelCount,
} from './volume/volume.js';
