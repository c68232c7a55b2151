import type { Random } from '#src/volume/random.js';

/**
 * A damaged copy of a file: one to four bits flipped, bytes overwritten, the end cut off, a piece cut out,
 * doubled, or spliced in from one of the `others`.
 */
export function mutate(file: Uint8Array, random: Random, others: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.from(file);
  if (bytes.length === 0) return bytes;
  const at = random.integer(bytes.length);
  const end = Math.min(bytes.length, at + 1 + random.integer(64));
  const other = others[random.integer(others.length)];
  const piece = other.subarray(random.integer(other.length));
  switch (random.integer(7)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), piece]);
    case 4:
      return Buffer.concat([bytes.subarray(0, at), piece.subarray(0, end - at), bytes.subarray(end)]);
    case 5:
      bytes.fill([0, 0xff, 0x7f, 0x80][random.integer(4)], at, end);
      return bytes;
    default:
      for (let i = 0; i <= random.integer(4); i++)
        bytes[random.integer(bytes.length)] ^= 1 << random.integer(8);
      return bytes;
  }
}

/** Words that parsers of numbers and texts often get wrong. */
const words = [
  ...[
    '0',
    '-1',
    '1e999',
    '-1e999',
    'NaN',
    '9007199254740993',
    '99999999999999999999',
    '2147483648',
    '1e-999',
  ],
  ...[
    'null',
    'true',
    '{}',
    '[]',
    '""',
    "''",
    '[[[[[[[[',
    '}}}}',
    '"\\ud800"',
    '\\u0000',
    '\0',
    '\ufeff',
    '\u202e',
  ],
  ...['__proto__', 'constructor', 'toString', '..', '../../../etc/passwd', '/', '%00', '%2e%2e%2f', '${a}'],
  ...['&a', '*a', '<<', '!!js/function', '=1+1', '\r\n', '\n', ',', ';', ':', '-', '\t', 'a'.repeat(5000)],
];

/** A damaged copy of a text: a word or number replaced by a difficult one, or damaged as bytes are. */
export function mutateText(file: Uint8Array, random: Random, others: readonly Uint8Array[]): Buffer {
  if (random.integer(2) === 0) return mutate(file, random, others);
  const text = Buffer.from(file).toString('latin1');
  const places = [...text.matchAll(/[\w.+-]+|[^\w\s]/g)];
  if (places.length === 0) return mutate(file, random, others);
  const place = places[random.integer(places.length)];
  const from = place.index ?? 0;
  const word = words[random.integer(words.length)];
  const rest = Buffer.from(text.slice(from + place[0].length), 'latin1');
  return Buffer.concat([Buffer.from(text.slice(0, from), 'latin1'), Buffer.from(word), rest]);
}
