import type { Kernel } from '../../../src/kernel/kernel.ts';

/** A kernel that does as `kernel` does but for the methods given. */
export function overrideMethods(kernel: Kernel, methods: Partial<Kernel>): Kernel {
  return new Proxy(kernel, {
    get(target, name) {
      if (Object.hasOwn(methods, name)) return Reflect.get(methods, name) as unknown;
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
