/** Packages that only some programs need: optional peer dependencies, which npm installs when somebody asks for them. */
import { UsageError } from './errors.ts';

/**
 * Loads such a package, in Node. `purpose` begins the sentence of the error.
 * @throws {UsageError} with the command that installs the package when it is not there.
 */
export function loadOptionalPackage<T>(name: string, purpose: string): T {
  const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);
  try {
    return require(name) as T;
  } catch (cause) {
    if ((cause as { code?: string }).code !== 'MODULE_NOT_FOUND') throw cause;
    const { peerDependencies } = require('subrosa/package.json') as {
      peerDependencies: Record<string, string>;
    };
    throw new UsageError(
      `${purpose} needs the package ${name}, which subrosa does not bring along: npm install ${name}@${peerDependencies[name]}`,
    );
  }
}
