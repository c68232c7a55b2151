import { messageOf, OptionError } from './errors.js';

/**
 * Imports a package that is not installed with voxstream, because few people need it.
 *
 * @param load Imports it, e.g. `() => import('ioredis')`.
 * @param purpose What needs it, e.g. `The queue`.
 * @param install The packages to install.
 * @throws OptionError with the command that installs it.
 */
export async function optionalPackage<Module>(
  load: () => Promise<Module>,
  purpose: string,
  install: readonly string[],
): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    const packages = install.join(' ');
    throw new OptionError(
      `${purpose} needs ${install.length === 1 ? 'the package' : 'the packages'} ${packages}, which voxstream does not ` +
        `install by itself. Install: npm install ${packages} (${messageOf(error)})`,
      { cause: error },
    );
  }
}
