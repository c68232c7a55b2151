/**
 * What the names of known trainers that build the network of the plans have behind `nnUNetTrainer`: trainings
 * of other lengths, with other augmentation, losses, optimizers or schedules. The list may lack some of
 * nnU-Net's own; a missing one only causes a note.
 */
const variants = [
  ...['\\d+ep(?:ochs?)?', 'NoMirroring', 'onlyMirror01', 'noDummy2DDA', 'NoDA', 'DA5(?:ord0|Segord0)?'],
  ...[
    'DAOrd0',
    'DASegOrd0',
    'CELoss',
    'DiceLoss',
    'DiceCELoss_noSmooth',
    'DiceTopK10Loss',
    'TopK10Loss(?:LS01)?',
  ],
  ...['CosAnneal', 'Adam(?:1en3|3en4)?', 'VanillaAdam(?:1en3|3en4)?', 'VanillaRAdam(?:1en3|3en4)?'],
  ...['Adan(?:1en3|3en4|1en1)?', 'probabilisticOversampling(?:_0\\d+)?', 'Benchmark'],
  ...['NoDeepSupervision', 'noDataLoading'],
];

const known = new RegExp(`^nnUNetTrainer(?:_?(?:${variants.join('|')}))*$`, 'i');

/** Whether a trainer is known to build the network that its plans describe. */
export function followsPlans(trainer: string): boolean {
  return known.test(trainer);
}
