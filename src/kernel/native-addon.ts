/** Finds, loads and wraps the C++ addon: its exceptions become the package's typed errors. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KernelError, OutOfRangeError, ShapeError, SubrosaError } from '../base/errors.ts';

/** Something that only the addon can look into. */
export type NativeHandle = object & { readonly native?: never };

/** The functions of the addon; each file of the native kernel declares the ones it calls. */
export type NativeAddon = Readonly<Record<string, (...args: never[]) => unknown>>;

const addonPath = 'build/Release/subrosa.node';

/** The directory of the nearest package.json: the sources run from src/, the build from dist/src/. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new KernelError('native', 'no package.json above the kernel');
    folder = parent;
  }
  return folder;
}

function translated(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof SubrosaError || !('code' in error)) return error;
  const { code, what, needed, got } = error as Error & Record<'code' | 'what' | 'needed' | 'got', string>;
  if (code === 'shape') return new ShapeError(what, needed, got);
  if (code === 'range') return new OutOfRangeError(what, needed, got);
  if (code === 'kernel') return new KernelError('native', `${what} must be ${needed} but is ${got}`);
  return error;
}

/** Shared memory is refused by the addon itself, which does not see that a buffer can shrink. */
function assertFixedLength(arg: unknown): void {
  if (!ArrayBuffer.isView(arg)) return;
  const { resizable } = arg.buffer as ArrayBuffer & { readonly resizable?: boolean };
  if (resizable === true)
    throw new ShapeError('an array', 'over memory of fixed length', 'over a resizable buffer');
}

/**
 * The addon with every function wrapped.
 * @throws {KernelError} when it was not built or this system cannot load it.
 */
export function loadNativeAddon(): NativeAddon {
  const path = join(packageRoot(), addonPath);
  if (!existsSync(path))
    throw new KernelError('native', `${addonPath} is missing; node scripts/prepare.mjs builds it`);
  let raw: Record<string, (...args: unknown[]) => unknown>;
  try {
    raw = createRequire(import.meta.url)(path);
  } catch (cause) {
    throw new KernelError('native', `${addonPath} does not load here`, { cause });
  }
  const wrapped: Record<string, (...args: unknown[]) => unknown> = {};
  for (const [name, call] of Object.entries(raw)) {
    wrapped[name] = (...args) => {
      for (const arg of args) assertFixedLength(arg);
      try {
        return call(...args);
      } catch (error) {
        throw translated(error);
      }
    };
  }
  return wrapped;
}
