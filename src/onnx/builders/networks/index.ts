import type { Network } from '../network.js';
import { basicUNet } from './basicUNet.js';
import { dynUNet } from './dynUNet.js';
import { segResNet, segResNetVAE } from './segResNet.js';
import { unet } from './unet.js';

/** The networks that can be built. */
export const networks: readonly Network[] = [unet, basicUNet, segResNet, segResNetVAE, dynUNet];

/** The networks that can be built, by MONAI's class names. */
export const networkNames: readonly string[] = networks.map(({ name }) => name);
