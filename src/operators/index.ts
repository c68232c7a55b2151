import { activations } from './activations.js';
import { asDiscrete } from './asDiscrete.js';
import { averageSurfaceDistance } from './averageSurfaceDistance.js';
import { cacheOperator } from './cache.js';
import { centerCrop } from './centerCrop.js';
import { components } from './components.js';
import { confusion } from './confusion.js';
import { cropForeground } from './cropForeground.js';
import type { AnyOperator } from './define.js';
import { dice } from './dice.js';
import { fillHoles } from './fillHoles.js';
import type { Fusion } from './fusion.js';
import { hausdorff } from './hausdorff.js';
import { inference } from './inference.js';
import { invert } from './invert.js';
import { iou } from './iou.js';
import { keepLargestComponent } from './keepLargestComponent.js';
import { labelsFusion } from './labelsOf.js';
import { load } from './load.js';
import { mapLabels } from './mapLabels.js';
import { normalizeIntensity } from './normalizeIntensity.js';
import { orient } from './orient.js';
import { prepareFusion } from './prepare.js';
import { randAffine } from './randAffine.js';
import { randCropByPosNegLabel } from './randCropByPosNegLabel.js';
import { randFlip } from './randFlip.js';
import { randGaussianNoise } from './randGaussianNoise.js';
import { randGaussianSmooth } from './randGaussianSmooth.js';
import { randRotate90 } from './randRotate90.js';
import { randScaleIntensity } from './randScaleIntensity.js';
import { randShiftIntensity } from './randShiftIntensity.js';
import { removeSmallObjects } from './removeSmallObjects.js';
import { resampleToMatch } from './resampleToMatch.js';
import { scaleIntensityRange } from './scaleIntensityRange.js';
import { spacing } from './spacing.js';
import { spatialPad } from './spatialPad.js';
import { surfaceDice } from './surfaceDice.js';
import { volume } from './volume.js';

/** The built-in operators, in the order in which a pipeline usually uses them. */
export const operators: readonly AnyOperator[] = [
  load,
  orient,
  spacing,
  resampleToMatch,
  scaleIntensityRange,
  normalizeIntensity,
  cropForeground,
  centerCrop,
  spatialPad,
  cacheOperator,
  randCropByPosNegLabel,
  randFlip,
  randRotate90,
  randAffine,
  randScaleIntensity,
  randShiftIntensity,
  randGaussianNoise,
  randGaussianSmooth,
  inference,
  activations,
  invert,
  asDiscrete,
  keepLargestComponent,
  fillHoles,
  removeSmallObjects,
  mapLabels,
  dice,
  iou,
  hausdorff,
  averageSurfaceDistance,
  surfaceDice,
  confusion,
  volume,
  components,
];

/** The fused passes. The first one that matches is used. */
export const fusions: readonly Fusion[] = [prepareFusion, labelsFusion];
