import { Dict } from '../language/values.js';
import type { Translator } from './translator.js';

/** `ConcatImages` of renalStructures_CECT_segmentation: ConcatItemsd with other names of its arguments. */
const concatImages: Translator = (args, _keys, state) => {
  const keys = args.texts('keys_merge', []);
  const name = args.text('keys_out', 'image');
  const missing = keys.filter((key) => !state.sources.has(key));
  if (keys.length === 0 || missing.length > 0) args.problem(`lacks the volumes ${missing.join(', ')}`);
  state.sources.set(name, state.sources.get(keys[0]) ?? keys[0]);
  return [{ kind: 'operator', name: 'concatItems', options: { keys: [...keys], name }, id: args.id }];
};

/** `MergeClassesd` of renalStructures_CECT_segmentation: channels of classes become a label map. */
const mergeClasses: Translator = (args, keys, state) =>
  keys.map((key) => {
    state.labels.add(key);
    return { kind: 'voxels', function: { name: 'labelsOfChannels' }, key, id: args.id };
  });

/** DeepEdit's handling of clicks. Without clicks there is nothing to do. */
const clicks: Translator = (args, _keys, state) => {
  args.ignore('ref_image', 'guidance', 'meta_keys', 'meta_key_postfix');
  const given = args.value('label_names');
  const labels = given instanceof Dict ? given.keys().map(String) : [];
  const clicked = labels.find((label) => state.otherKeys?.has(label));
  if (clicked !== undefined)
    args.problem(`finds clicks for ${clicked} among the data, which are not supported`);
  state.guided = labels.length > 0 ? labels.length : state.guided;
  return [];
};

/** DeepEdit's channels of clicks, one for each label. Without clicks they are zeros. */
const clickChannels: Translator = (args, keys, state) => {
  args.ignore('guidance', 'sigma', 'number_intensity_ch');
  const count = state.guided;
  if (count === undefined) {
    args.problem('needs AddGuidanceFromPointsDeepEditd before it, which has the names of the labels');
    return [];
  }
  return keys.map((key) => ({
    kind: 'voxels',
    function: { name: 'zeroChannels', count },
    key,
    id: args.id,
  }));
};

/** Transforms of bundles' own scripts, and of MONAI's DeepEdit, by class name. */
export const scriptTransforms: ReadonlyMap<string, Translator> = new Map([
  ['ConcatImages', concatImages],
  ['MergeClassesd', mergeClasses],
  ['OrientationGuidanceMultipleLabelDeepEditd', clicks],
  ['AddGuidanceFromPointsDeepEditd', clicks],
  ['ResizeGuidanceMultipleLabelDeepEditd', clicks],
  ['AddGuidanceSignalDeepEditd', clickChannels],
]);
