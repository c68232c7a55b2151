import type { PageCase, PageColumn, PageNumber } from '#src/report/browserData.js';

/** Columns of a page: Dice (higher is better) and HD95 (lower is better) of two labels. */
export const columns: readonly PageColumn[] = ['spleen', 'liver'].flatMap((label) => [
  { name: `dice_${label}`, metric: 'dice', title: 'Dice', label, decimals: 3, better: 'higher' },
  { name: `hd95_${label}`, metric: 'hd95', title: 'HD95, mm', label, decimals: 1, better: 'lower' },
]);

/** A case with a value per column. */
export const pageCase = (id: string, values: readonly PageNumber[], seconds = 1): PageCase => ({
  id,
  values,
  seconds,
  pictures: null,
  unpictured: null,
});
