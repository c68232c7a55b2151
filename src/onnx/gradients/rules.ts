import { activationRules } from './activations.js';
import { arithmeticRules } from './arithmetic.js';
import { attentionRules } from './attention.js';
import { convRules } from './conv.js';
import { layoutRules } from './layout.js';
import { normalizationRules } from './normalization.js';
import { poolingRules } from './pooling.js';
import { productRules } from './products.js';
import { reductionRules } from './reductions.js';
import { resamplingRules } from './resampling.js';
import type { GradientRule } from './rule.js';
import { softmaxRules } from './softmax.js';

/** The gradient rules by ONNX operator. An operator without a rule cannot be trained through. */
export const gradientRules: Readonly<Record<string, GradientRule | undefined>> = {
  ...activationRules,
  ...arithmeticRules,
  ...attentionRules,
  ...convRules,
  ...layoutRules,
  ...normalizationRules,
  ...poolingRules,
  ...productRules,
  ...reductionRules,
  ...resamplingRules,
  ...softmaxRules,
};
