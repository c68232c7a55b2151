/**
 * The name of an archive's member without `./`; undefined for macOS `._*` files, and for names that leave the
 * archive's folder.
 */
export function safeName(name: string): string | undefined {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  const leaves = name.startsWith('/') || parts.includes('..');
  return leaves || parts.length === 0 || parts.at(-1)?.startsWith('._') ? undefined : parts.join('/');
}
