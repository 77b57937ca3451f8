import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DisposedError, KernelError, ShapeError } from '../../src/base/errors.ts';
import { WasmMemory } from '../../src/kernel/wasm/wasm-memory.ts';

function freshMemory(): WasmMemory {
  return new WasmMemory(new WebAssembly.Memory({ initial: 1, maximum: 65536 }), 1000);
}

describe('WasmMemory', () => {
  it('gives aligned runs that do not overlap, and joins them when they come back', () => {
    const step = fc.record({ bytes: fc.integer({ min: 0, max: 200_000 }), drop: fc.nat() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const memory = freshMemory();
        const live: { start: number; end: number }[] = [];
        for (const { bytes, drop } of steps) {
          const start = memory.allocate(bytes);
          expect(start % 64).toBe(0);
          const run = { start, end: start + bytes };
          for (const other of live) expect(run.end <= other.start || other.end <= run.start).toBe(true);
          live.push(run);
          if (drop % 3 === 0) memory.release(live.splice(drop % live.length, 1)[0].start);
        }
        for (const { start } of live) memory.release(start);
        // Everything is one run again: what was the whole extent fits without growth.
        const extent = Math.max(0, ...live.map(({ end }) => end)) - 1024;
        if (extent > 0) expect(memory.allocate(extent)).toBe(1024);
      }),
      { numRuns: 50 },
    );
  });

  it('clears words, counts them, and refuses them after their end', () => {
    const memory = freshMemory();
    const first = memory.words(100);
    first.u64().fill(7n);
    const part = first.sub(10, 5);
    first.wipe();
    expect(memory.liveWords).toBe(0);
    const again = memory.words(100);
    expect(again.u64().every((word) => word === 0n)).toBe(true);
    expect(() => first.u64()).toThrow(DisposedError);
    expect(() => part.u64()).toThrow(DisposedError);
    part[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(memory.liveWords).toBe(100);
    expect(() => again.sub(99, 2)).toThrow(ShapeError);
    again[Symbol.dispose]();
    expect(memory.liveWords).toBe(0);
  });

  it('overwrites what a secret borrowed', () => {
    const memory = freshMemory();
    const start = memory.borrowSecret(128, (at) => {
      memory.bytes(at, 128).fill(5);
      return at;
    });
    expect(memory.bytes(start, 128).every((byte) => byte === 0)).toBe(true);
  });

  it('says when memory is exhausted', () => {
    expect(() => freshMemory().allocate(2 ** 32)).toThrow(KernelError);
  });
});
