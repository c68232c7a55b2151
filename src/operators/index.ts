import { activations } from './activations.js';
import { adjustContrast } from './adjustContrast.js';
import { asDiscrete } from './asDiscrete.js';
import { averageSurfaceDistance } from './averageSurfaceDistance.js';
import { borderPad } from './borderPad.js';
import { cacheOperator } from './cache.js';
import { centerCrop } from './centerCrop.js';
import { clearIfEmpty } from './clearIfEmpty.js';
import { clearOutside } from './clearOutside.js';
import { clip } from './clip.js';
import { components } from './components.js';
import { concatItems } from './concatItems.js';
import { confusion } from './confusion.js';
import { convertToMultiChannelBrats } from './convertToMultiChannelBrats.js';
import { copyItems } from './copyItems.js';
import { cropForeground } from './cropForeground.js';
import { cropNonzero } from './cropNonzero.js';
import type { AnyOperator } from './define.js';
import { deleteItems } from './deleteItems.js';
import { dice } from './dice.js';
import { divisiblePad } from './divisiblePad.js';
import { fillHoles } from './fillHoles.js';
import { flip } from './flip.js';
import type { Fusion } from './fusion.js';
import { gaussianSmooth } from './gaussianSmooth.js';
import { hausdorff } from './hausdorff.js';
import { histogramNormalize } from './histogramNormalize.js';
import { inference } from './inference.js';
import { inferLabelsFusion } from './inferLabels.js';
import { invert } from './invert.js';
import { iou } from './iou.js';
import { joinLabels } from './joinLabels.js';
import { joinSlabs } from './joinSlabs.js';
import { keepLabels } from './keepLabels.js';
import { keepLargestComponent } from './keepLargestComponent.js';
import { labelStatistics } from './labelStatistics.js';
import { labelsFusion } from './labelsOf.js';
import { labelToContour } from './labelToContour.js';
import { load } from './load.js';
import { loadProbabilities } from './loadProbabilities.js';
import { mapLabels } from './mapLabels.js';
import { mergeClasses } from './mergeClasses.js';
import { nameLabels } from './nameLabels.js';
import { nanToNum } from './nanToNum.js';
import { nnunet } from './nnunet.js';
import { normalizeByPlans } from './normalizeByPlans.js';
import { normalizeIntensity } from './normalizeIntensity.js';
import { orient } from './orient.js';
import { permuteAxes } from './permuteAxes.js';
import { prepareFusion } from './prepare.js';
import { probabilities } from './probabilities.js';
import { rand3DElastic } from './rand3DElastic.js';
import { randAdjustContrast } from './randAdjustContrast.js';
import { randAffine } from './randAffine.js';
import { randAxisFlip } from './randAxisFlip.js';
import { randBiasField } from './randBiasField.js';
import { randCropByLabelClasses } from './randCropByLabelClasses.js';
import { randCropByPosNegLabel } from './randCropByPosNegLabel.js';
import { randFlip } from './randFlip.js';
import { randGaussianNoise } from './randGaussianNoise.js';
import { randGaussianSmooth } from './randGaussianSmooth.js';
import { randHistogramShift } from './randHistogramShift.js';
import { randRotate } from './randRotate.js';
import { randRotate90 } from './randRotate90.js';
import { randScaleIntensity } from './randScaleIntensity.js';
import { randShiftIntensity } from './randShiftIntensity.js';
import { randSpatialCrop } from './randSpatialCrop.js';
import { randZoom } from './randZoom.js';
import { regionLabels } from './regionLabels.js';
import { removeSmallComponents } from './removeSmallComponents.js';
import { removeSmallObjects } from './removeSmallObjects.js';
import { resampleByPlans } from './resampleByPlans.js';
import { resampleToMatch } from './resampleToMatch.js';
import { resize } from './resize.js';
import { resizeWithPadOrCrop } from './resizeWithPadOrCrop.js';
import { rotate90 } from './rotate90.js';
import { scaleIntensity } from './scaleIntensity.js';
import { scaleIntensityRange } from './scaleIntensityRange.js';
import { scaleIntensityRangePercentiles } from './scaleIntensityRangePercentiles.js';
import { selectChannels } from './selectChannels.js';
import { skin } from './skin.js';
import { spacing } from './spacing.js';
import { spatialCrop } from './spatialCrop.js';
import { spatialPad } from './spatialPad.js';
import { splitSlabs } from './splitSlabs.js';
import { surfaceDice } from './surfaceDice.js';
import { thresholdIntensity } from './thresholdIntensity.js';
import { totalseg } from './totalseg.js';
import { truncate } from './truncate.js';
import { uncertainty } from './uncertainty.js';
import { volume } from './volume.js';
import { zoom } from './zoom.js';
import { zoomToSpacing } from './zoomToSpacing.js';

/** The built-in operators, in the order in which a pipeline usually uses them. */
export const operators: readonly AnyOperator[] = [
  load,
  loadProbabilities,
  nanToNum,
  concatItems,
  copyItems,
  deleteItems,
  selectChannels,
  orient,
  permuteAxes,
  spacing,
  zoomToSpacing,
  resampleByPlans,
  resampleToMatch,
  resize,
  zoom,
  flip,
  rotate90,
  scaleIntensityRange,
  scaleIntensityRangePercentiles,
  scaleIntensity,
  normalizeIntensity,
  clip,
  truncate,
  thresholdIntensity,
  adjustContrast,
  histogramNormalize,
  gaussianSmooth,
  normalizeByPlans,
  cropForeground,
  cropNonzero,
  centerCrop,
  spatialCrop,
  spatialPad,
  resizeWithPadOrCrop,
  divisiblePad,
  borderPad,
  splitSlabs,
  cacheOperator,
  randCropByPosNegLabel,
  randCropByLabelClasses,
  randSpatialCrop,
  randFlip,
  randAxisFlip,
  randRotate90,
  randRotate,
  randZoom,
  randAffine,
  rand3DElastic,
  randScaleIntensity,
  randShiftIntensity,
  randAdjustContrast,
  randHistogramShift,
  randBiasField,
  randGaussianNoise,
  randGaussianSmooth,
  inference,
  nnunet,
  totalseg,
  uncertainty,
  probabilities,
  activations,
  invert,
  asDiscrete,
  regionLabels,
  keepLargestComponent,
  fillHoles,
  removeSmallObjects,
  removeSmallComponents,
  clearOutside,
  clearIfEmpty,
  keepLabels,
  mapLabels,
  nameLabels,
  joinLabels,
  joinSlabs,
  skin,
  mergeClasses,
  convertToMultiChannelBrats,
  labelToContour,
  dice,
  iou,
  hausdorff,
  averageSurfaceDistance,
  surfaceDice,
  confusion,
  volume,
  components,
  labelStatistics,
];

/** The fused passes. The first one that matches is used. */
export const fusions: readonly Fusion[] = [prepareFusion, inferLabelsFusion, labelsFusion];
