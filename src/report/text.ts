/** A text as it stands in HTML and SVG, in attributes too: whatever it holds, it stays a text. */
export function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (character) => entities[character]);
}

/** Text that is HTML already. */
export interface Html {
  readonly html: string;
}

/** Says that a text is HTML already. */
export const raw = (html: string): Html => ({ html });

/** What may stand in an HTML template: texts and numbers, which are escaped, and HTML. */
export type Piece = string | number | Html | readonly Html[];

/** A template of HTML whose values stay texts, whatever they hold. */
export function html(parts: TemplateStringsArray, ...values: readonly Piece[]): Html {
  const shown = values.map((value) => {
    if (Array.isArray(value)) return value.map((item: Html) => item.html).join('');
    return typeof value === 'object' ? (value as Html).html : escapeHtml(String(value));
  });
  return raw(parts.reduce((whole, part, i) => whole + shown[i - 1] + part));
}

export const nothing = raw('');

/** A value as JSON that can stand inside `<script>`: no text in it can end the element. */
export function embedJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

/** How many decimals show three significant digits of numbers up to `largest`: 3 up to one, none from a hundred on. */
export function decimalsFor(largest: number): number {
  if (!Number.isFinite(largest) || largest <= 1) return 3;
  return Math.max(0, 3 - String(Math.floor(largest)).length);
}

/** A number with its decimals, with a real minus sign; a dash where there is none, ∞ for infinite ones. */
export function showNumber(value: number | null | undefined, decimals: number): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  return value
    .toFixed(decimals)
    .replace(/^-(?=.*[1-9])/, '−')
    .replace(/^-/, '');
}

/** Seconds as a person reads them: `4.2 s`, `3 min 20 s`, `1 h 05 min`. */
export function showSeconds(seconds: number): string {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  const pad = (n: number) => String(Math.floor(n)).padStart(2, '0');
  if (minutes < 60) return `${minutes} min ${pad(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
}

/** Round numbers that cut a range into about `count` parts, inside it. */
export function niceTicks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * (1 - 1e-9))!;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}
