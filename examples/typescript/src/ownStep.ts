// Limits the intensities of images with a step that is written here:
//
//   node dist/ownStep.js 'IN/*.nii.gz' OUTPUT
import { from, lastValueFrom, map, mergeMap, type OperatorFunction, of } from 'rxjs';
import { type Case, glob, load, niftiSink, orient, saveTo, withVolumes } from 'voxstream';

const [images, output] = process.argv.slice(2);
if (!images || !output) throw new Error("Usage: ownStep.js 'IN/*.nii.gz' OUTPUT");

/** Any `OperatorFunction<Case, Case>` is a step. Volumes are read-only, so a step makes new ones. */
function soften(low: number, high: number): OperatorFunction<Case, Case> {
  return map((one) => {
    const { image } = one.volumes;
    if (!image) return one;
    const data = Float32Array.from(image.data, (hu) => Math.min(high, Math.max(low, hu)));
    return withVolumes(one, { image: { ...image, data } });
  });
}

const save = saveTo(niftiSink(output, { keys: 'image', postfix: 'soft' }));
await lastValueFrom(
  from(glob({ image: images })).pipe(
    mergeMap((one) => of(one).pipe(load(), orient({ axcodes: 'RAS' }), soften(-160, 240), save), 2),
  ),
);
