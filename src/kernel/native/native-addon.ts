/** Finds, loads and wraps the C++ addon: its exceptions become the package's typed errors. */
import { KernelError, OutOfRangeError, ShapeError, SubrosaError } from '../../base/errors.ts';
import { fileAbove, nodeBuiltins } from '../node-builtins.ts';

/** Something that only the addon can look into. */
export type NativeHandle = object & { readonly native?: never };

/** The functions of the addon; each file of the native kernel declares the ones it calls. */
export type NativeAddon = Readonly<Record<string, (...args: never[]) => unknown>>;

/** The addon that was built or packed on this architecture, and the one that was packed for it elsewhere. */
const addonPaths = (): readonly string[] => [
  'build/Release/subrosa.node',
  `build/${globalThis.process?.arch}/subrosa.node`,
];

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

/** The first one that loads. @throws {KernelError} */
function requireAddon(): Record<string, (...args: unknown[]) => unknown> {
  const present = addonPaths().flatMap((path) => fileAbove(path) ?? []);
  let cause: unknown;
  for (const path of present) {
    try {
      return nodeBuiltins().module.createRequire(path)(path);
    } catch (error) {
      cause ??= error;
    }
  }
  const [built] = addonPaths();
  if (present.length === 0)
    throw new KernelError('native', `${built} is missing; npm run build in a clone of the project builds it`);
  throw new KernelError('native', `${built} does not load here`, { cause });
}

/**
 * The addon with every function wrapped.
 * @throws {KernelError} when it was not built or this system cannot load it.
 */
export function loadNativeAddon(): NativeAddon {
  const raw = requireAddon();
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
