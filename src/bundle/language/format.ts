import { checkSize } from './limits.js';
import { Refusal } from './refusal.js';
import { asInt, asNumber, Dict, repr, str, Tuple, type Value } from './values.js';

/** Python's `text % values`. */
export function formatOld(text: string, values: Value): string {
  const queue = values instanceof Tuple ? [...values.items] : [values];
  let used = 0;
  const next = (name: string | undefined): Value => {
    if (name !== undefined) {
      const value = values instanceof Dict ? values.get(name) : undefined;
      if (value === undefined) throw new Refusal(`the format "${text}" has no value for %(${name})`);
      return value;
    }
    if (used >= queue.length) throw new Refusal(`the format "${text}" has too few values`);
    return queue[used++];
  };
  const result = text.replace(
    /%(?:\((\w+)\))?([-+ 0#]*)(\*|\d+)?(?:\.(\*|\d+))?[hlL]?([\s\S]?)/g,
    (whole, name: string | undefined, flags: string, width: string, digits: string, type: string) => {
      if (type === '%') return '%';
      const size = width === '*' ? Number(asInt(next(undefined)) ?? 0n) : Number(width ?? 0);
      const precision = digits === '*' ? Number(asInt(next(undefined)) ?? 0n) : digits && Number(digits);
      if (!'diusraefgxXoEFGc'.includes(type) || type === '') {
        throw new Refusal(`the format "${text}" has "${whole}", which is not a conversion`);
      }
      const value = next(name);
      const left = flags.includes('-');
      const sign = flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';
      const spec = {
        fill: flags.includes('0') && !left ? '0' : ' ',
        align: left ? '<' : flags.includes('0') ? '=' : '>',
        sign,
        alternate: flags.includes('#'),
        width: size,
        grouping: '',
        precision: precision === '' || precision === undefined ? undefined : Number(precision),
      };
      if ('sra'.includes(type)) {
        const shown = type === 's' ? str(value) : repr(value);
        return pad(spec.precision === undefined ? shown : shown.slice(0, spec.precision), {
          ...spec,
          fill: ' ',
        });
      }
      if (type === 'c')
        return pad(typeof value === 'string' ? value : String.fromCodePoint(Number(value)), spec);
      const number = asNumber(value);
      if (number === undefined) throw new Refusal(`%${type} needs a number, but got ${repr(value)}`);
      const whole_ = 'diu'.includes(type) ? (asInt(value) ?? BigInt(Math.trunc(number))) : value;
      return formatNumber(whole_, spec, 'iu'.includes(type) ? 'd' : type);
    },
  );
  checkSize(result.length);
  if (!(values instanceof Dict) && used < queue.length && !(queue.length === 1 && used === 1)) {
    throw new Refusal(`the format "${text}" has too many values`);
  }
  return result;
}

interface Spec {
  readonly fill: string;
  readonly align: string;
  readonly sign: string;
  readonly alternate: boolean;
  readonly width: number;
  readonly grouping: string;
  readonly precision?: number;
}

/** Python's `format(value, spec)`, as in `f'{value:spec}'`. */
export function formatValue(value: Value, spec: string): string {
  const found = /^(?:([\s\S])?([<>=^]))?([-+ ])?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([bcdeEfFgGnosxX%])?$/u.exec(
    spec,
  );
  if (!found) throw new Refusal(`"${spec}" is not a format`);
  const [, fill, align, sign = '', alternate, zero, width, grouping = '', precision, type] = found;
  const number = typeof value !== 'string' ? asNumber(value) : undefined;
  const numeric = number !== undefined && (typeof value !== 'boolean' || type !== undefined);
  const parsed = {
    fill: fill ?? (zero ? '0' : ' '),
    align: align ?? (zero ? '=' : numeric ? '>' : '<'),
    sign,
    alternate: alternate !== undefined,
    width: Number(width ?? 0),
    grouping,
    precision: precision === undefined ? undefined : Number(precision),
  };
  checkSize(parsed.width);
  if (numeric && type !== 's') return formatNumber(value, parsed, type);
  if (type !== undefined && type !== 's') throw new Refusal(`the format "${spec}" is not for ${repr(value)}`);
  const text = str(value);
  return pad(parsed.precision === undefined ? text : text.slice(0, parsed.precision), parsed);
}

function formatNumber(value: Value, spec: Spec, type: string | undefined): string {
  checkSize(spec.width);
  const number = asNumber(value) as number;
  const int = asInt(value);
  if (spec.precision !== undefined && spec.precision > 100) throw new Refusal('a format has too many digits');
  const negative = int !== undefined ? int < 0n : number < 0 || Object.is(number, -0);
  const body = digitsOf(int === undefined ? Math.abs(number) : int < 0n ? -int : int, spec, type);
  const sign = negative ? '-' : spec.sign === '-' ? '' : spec.sign;
  if (spec.align !== '=') return pad(sign + body, spec);
  return sign + body.padStart(spec.width - sign.length, spec.fill);
}

function digitsOf(size: bigint | number, spec: Spec, type: string | undefined): string {
  const radix = { b: 2, o: 8, x: 16, X: 16 }[type ?? ''];
  if (typeof size === 'bigint' && (radix || type === undefined || type === 'd' || type === 'n')) {
    const digits = size.toString(radix ?? 10);
    const prefix = spec.alternate && radix ? `0${type}` : '';
    return prefix + group(type === 'X' ? digits.toUpperCase() : digits, spec.grouping);
  }
  if (radix || type === 'd') throw new Refusal(`the format "${type}" needs an integer`);
  const value = Number(size);
  if (type === undefined && spec.precision === undefined) return str(value);
  const digits = spec.precision ?? 6;
  switch (type) {
    case 'f':
    case 'F':
      return group(value.toFixed(digits), spec.grouping);
    case '%':
      return `${group((value * 100).toFixed(digits), spec.grouping)}%`;
    case 'e':
    case 'E':
      return upperIf(exponential(value, digits), type === 'E');
    default:
      return upperIf(general(value, digits, type === undefined), type === 'G');
  }
}

function exponential(value: number, digits: number): string {
  return value.toExponential(digits).replace(/e([-+])(\d)$/, 'e$10$2');
}

/** Python's `g`, or the form without a type, which keeps `.0`. */
function general(value: number, digits: number, keepPoint: boolean): string {
  const precision = Math.max(1, digits);
  const exponent = value === 0 ? 0 : Number(value.toExponential(precision - 1).split('e')[1]);
  if (exponent < -4 || exponent >= precision - (keepPoint ? 1 : 0)) {
    return exponential(value, precision - 1).replace(/\.?0*e/, 'e');
  }
  const text = value.toFixed(Math.max(0, precision - 1 - exponent));
  const short = text.includes('.') ? text.replace(/\.?0+$/, '') : text;
  return keepPoint && !short.includes('.') ? `${short}.0` : short;
}

function upperIf(text: string, upper: boolean): string {
  return upper ? text.toUpperCase() : text;
}

function group(digits: string, separator: string): string {
  if (!separator) return digits;
  const [whole, rest] = digits.split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, separator);
  return rest === undefined ? grouped : `${grouped}.${rest}`;
}

function pad(text: string, { fill, align, width }: Spec): string {
  checkSize(width);
  if (align === '<') return text.padEnd(width, fill);
  if (align !== '^') return text.padStart(width, fill);
  const left = Math.floor((width - text.length) / 2);
  return text.padStart(text.length + Math.max(0, left), fill).padEnd(width, fill);
}

/** Python's `text.format(…)`. `look` gives the value of a field such as `0`, `name` or `0.width`. */
export function formatNew(text: string, look: (field: string, automatic: number) => Value): string {
  let automatic = 0;
  const result = text.replace(
    /\{\{|\}\}|\{([^{}!:]*)(?:!([rsa]))?(?::([^{}]*))?\}|[{}]/g,
    (whole, field, conversion, spec) => {
      if (whole === '{{' || whole === '}}') return whole[0];
      if (whole.length === 1) throw new Refusal(`the format "${text}" has a single ${whole}`);
      const value = look(field, field === '' ? automatic++ : automatic);
      return formatValue(conversion ? (conversion === 's' ? str(value) : repr(value)) : value, spec ?? '');
    },
  );
  checkSize(result.length);
  return result;
}
