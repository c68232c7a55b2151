/**
 * The separator of a CSV file: the one of comma, semicolon, tab and bar that its first line has most of
 * outside quotation marks.
 */
export function csvSeparator(text: string): string {
  const line = text.slice(0, text.search(/[\r\n]|$/)).replace(/"[^"]*"/g, '');
  const count = (separator: string) => line.split(separator).length;
  return [',', ';', '\t', '|'].reduce((best, one) => (count(one) > count(best) ? one : best));
}
