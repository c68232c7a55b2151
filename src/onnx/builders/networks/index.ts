import type { Network } from '../network.js';
import { attentionUnet } from './attentionUnet.js';
import { basicUNet } from './basicUNet.js';
import { basicUNetPlusPlus } from './basicUNetPlusPlus.js';
import { dints } from './dints.js';
import { dynUNet } from './dynUNet.js';
import { flexibleUNet } from './flexibleUNet.js';
import { highResNet } from './highResNet.js';
import { medNeXt } from './medNeXt.js';
import { plainConvUNet } from './plainConvUNet.js';
import { residualEncoderUNet } from './residualEncoderUNet.js';
import { segResNet, segResNetVAE } from './segResNet.js';
import { segResNetDS } from './segResNetDS.js';
import { swinUNETR } from './swinUNETR.js';
import { unesT } from './unesT.js';
import { unet } from './unet.js';
import { unetr } from './unetr.js';
import { vista3d, vista3d132 } from './vista3d.js';
import { vnet } from './vnet.js';

/** The networks that can be built. */
export const networks: readonly Network[] = [
  attentionUnet,
  basicUNet,
  basicUNetPlusPlus,
  dints,
  dynUNet,
  flexibleUNet,
  highResNet,
  medNeXt,
  plainConvUNet,
  residualEncoderUNet,
  segResNet,
  segResNetDS,
  segResNetVAE,
  swinUNETR,
  unesT,
  unet,
  unetr,
  vista3d,
  vista3d132,
  vnet,
];

/** The networks that can be built, by MONAI's class names. */
export const networkNames: readonly string[] = networks.map(({ name }) => name);
