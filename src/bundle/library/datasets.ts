import { MersenneTwister } from '../../volume/mersenneTwister.js';
import { functions } from '../language/native.js';
import { Refusal } from '../language/refusal.js';
import { asNumber, Dict, iterate, repr, type Value } from '../language/values.js';
import { type BoundedFiles, folderName, joinPath, normalPath } from './files.js';
import { parseJson } from './json.js';
import { needPath, pathText } from './path.js';

/** Functions of `monai.data` that make lists of cases. */
export const datasetFunctions = (files: BoundedFiles) =>
  functions('monai.data', {
    load_decathlon_datalist: (given) => {
      const file = needPath(given.required('data_list_file_path'));
      const segmentation = given.optional('is_segmentation') ?? true;
      const key = given.optional('data_list_key') ?? 'training';
      const base = given.optional('base_dir') ?? null;
      const list = readList(files, file, key);
      const folder = base === null ? folderName(file) : needPath(base);
      return list.map((item) => withPaths(files, item, folder, segmentation === true));
    },
    partition_dataset: (given) => {
      const data = iterate(given.required('data'));
      const ratios = given.optional('ratios') ?? null;
      const count = given.optionalInt('num_partitions');
      const shuffle = given.optional('shuffle') ?? false;
      const seed = given.optionalInt('seed') ?? 0;
      const dropLast = given.optional('drop_last') === true;
      const even = given.optional('even_divisible') === true;
      const items = shuffle === true ? new MersenneTwister(seed).shuffle(data) : data;
      if (ratios !== null) return byRatios(items, iterate(ratios));
      if (!count || count > items.length)
        throw new Refusal('partition_dataset needs ratios or num_partitions');
      const rest = dropLast && items.length % count !== 0;
      const each = rest ? Math.ceil((items.length - count) / count) : Math.ceil(items.length / count);
      const total = each * count;
      const all = even && !dropLast ? [...items, ...items.slice(0, total - items.length)] : items;
      return Array.from({ length: count }, (_, i) =>
        all.slice(0, total).filter((_item, j) => j % count === i),
      );
    },
  });

function readList(files: BoundedFiles, file: string, key: Value): readonly Value[] {
  if (files.assumeEmpty && !files.exists(file)) return [];
  const content = parseJson(files.read(file));
  const list = content instanceof Dict ? content.get(key) : undefined;
  if (!Array.isArray(list)) throw new Refusal(`the list of cases ${file} has no list ${repr(key)}`);
  const plain = key === 'test' && list.length > 0 && !(list[0] instanceof Dict);
  return plain ? list.map((image) => new Dict([['image', image]])) : list;
}

function withPaths(files: BoundedFiles, item: Value, folder: string, segmentation: boolean): Dict {
  if (!(item instanceof Dict)) throw new Refusal(`a case of the list is ${repr(item)}, not a map`);
  return new Dict(
    item.entries().map(([key, value]) => {
      const sure = key === 'image' || (segmentation && key === 'label');
      const one = (path: Value): Value => {
        const whole = normalPath(joinPath([folder, needPath(path)]));
        return sure || files.exists(whole) ? whole : path;
      };
      if (pathText(value) !== undefined) return [key, one(value)];
      const paths = Array.isArray(value) && value.every((path) => pathText(path) !== undefined);
      return [key, paths ? value.map(one) : value];
    }),
  );
}

function byRatios(items: readonly Value[], ratios: readonly Value[]): Value[] {
  const numbers = ratios.map((ratio) => asNumber(ratio) ?? 0);
  const sum = numbers.reduce((a, b) => a + b, 0);
  let next = 0;
  return numbers.map((ratio) => {
    const start = next;
    next = Math.min(start + Math.trunc((ratio / sum) * items.length + 0.5), items.length);
    return items.slice(start, next);
  });
}
