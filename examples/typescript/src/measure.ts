// Compares predictions with references, paired by their names:
//
//   node dist/measure.js PREDICTIONS REFERENCES
import { from, lastValueFrom, mergeMap, of, toArray } from 'rxjs';
import { dice, hausdorff, load, pairs, summarize, summaryTable } from 'voxstream';

const [pred, label] = process.argv.slice(2);
if (!pred || !label) throw new Error('Usage: measure.js PREDICTIONS REFERENCES');

const steps = [load({ labelKeys: ['pred', 'label'] }), dice(), hausdorff({ percentile: 95 })] as const;
const cases = await lastValueFrom(
  from(pairs({ pred, label })).pipe(
    // Two cases at a time. Each is a stream of its own, so their steps run at the same time.
    mergeMap((one) => of(one).pipe(...steps), 2),
    toArray(),
  ),
);
console.log(summaryTable(summarize(cases.map(({ id, metrics }) => ({ case: id, metrics })))));
