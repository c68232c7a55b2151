import { activationsDefinition } from './activations.js';
import { asDiscreteDefinition } from './asDiscrete.js';
import { averageSurfaceDistanceDefinition } from './averageSurfaceDistance.js';
import { cacheDefinition } from './cache.js';
import { centerCropDefinition } from './centerCrop.js';
import { componentsDefinition } from './components.js';
import { confusionDefinition } from './confusion.js';
import { cropForegroundDefinition } from './cropForeground.js';
import type { AnyOperatorDefinition } from './define.js';
import { diceDefinition } from './dice.js';
import { fillHolesDefinition } from './fillHoles.js';
import { hausdorffDefinition } from './hausdorff.js';
import { inferenceDefinition } from './inference.js';
import { invertDefinition } from './invert.js';
import { iouDefinition } from './iou.js';
import { keepLargestComponentDefinition } from './keepLargestComponent.js';
import { loadDefinition } from './load.js';
import { mapLabelsDefinition } from './mapLabels.js';
import { normalizeIntensityDefinition } from './normalizeIntensity.js';
import { orientDefinition } from './orient.js';
import { randAffineDefinition } from './randAffine.js';
import { randCropByPosNegLabelDefinition } from './randCropByPosNegLabel.js';
import { randFlipDefinition } from './randFlip.js';
import { randGaussianNoiseDefinition } from './randGaussianNoise.js';
import { randGaussianSmoothDefinition } from './randGaussianSmooth.js';
import { randRotate90Definition } from './randRotate90.js';
import { randScaleIntensityDefinition } from './randScaleIntensity.js';
import { randShiftIntensityDefinition } from './randShiftIntensity.js';
import { removeSmallObjectsDefinition } from './removeSmallObjects.js';
import { resampleToMatchDefinition } from './resampleToMatch.js';
import { scaleIntensityRangeDefinition } from './scaleIntensityRange.js';
import { spacingDefinition } from './spacing.js';
import { spatialPadDefinition } from './spatialPad.js';
import { surfaceDiceDefinition } from './surfaceDice.js';
import { volumeDefinition } from './volume.js';

/** The operators that come with voxstream, in the order in which a pipeline usually has them. */
export const operatorDefinitions: readonly AnyOperatorDefinition[] = [
  loadDefinition,
  orientDefinition,
  spacingDefinition,
  resampleToMatchDefinition,
  scaleIntensityRangeDefinition,
  normalizeIntensityDefinition,
  cropForegroundDefinition,
  centerCropDefinition,
  spatialPadDefinition,
  cacheDefinition,
  randCropByPosNegLabelDefinition,
  randFlipDefinition,
  randRotate90Definition,
  randAffineDefinition,
  randScaleIntensityDefinition,
  randShiftIntensityDefinition,
  randGaussianNoiseDefinition,
  randGaussianSmoothDefinition,
  inferenceDefinition,
  activationsDefinition,
  invertDefinition,
  asDiscreteDefinition,
  keepLargestComponentDefinition,
  fillHolesDefinition,
  removeSmallObjectsDefinition,
  mapLabelsDefinition,
  diceDefinition,
  iouDefinition,
  hausdorffDefinition,
  averageSurfaceDistanceDefinition,
  surfaceDiceDefinition,
  confusionDefinition,
  volumeDefinition,
  componentsDefinition,
];
