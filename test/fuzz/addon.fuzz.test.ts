/** The entry points of the addon with random arguments: typed errors, no crash, also for handles that are not theirs. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const addon = fileURLToPath(new URL('../../build/Release/subrosa.node', import.meta.url));
const script = fileURLToPath(new URL('addon-calls.mjs', import.meta.url));
const CALLS = 150;

describe.skipIf(!existsSync(addon))('the addon', () => {
  test('answers random arguments with typed errors', () => {
    for (const seed of [1]) {
      const { status, signal, stdout, stderr } = spawnSync(
        process.execPath,
        [script, addon, `${CALLS}`, `${seed}`],
        { encoding: 'utf8' },
      );
      expect({ seed, status, signal, stderr }).toEqual({ seed, status: 0, signal: null, stderr: '' });
      const counts = JSON.parse(stdout) as { typed: number; others: string[]; functions: number };
      expect(counts.others).toEqual([]);
      expect(counts.functions).toBeGreaterThan(20);
      expect(counts.typed).toBeGreaterThan(CALLS * 10);
    }
  });

  test('refuses handles of other objects and a second release', () => {
    const program = `
      const addon = require(${JSON.stringify(addon)});
      const code = (call) => { try { call(); return 'none'; } catch (error) { return error.code; } };
      const [a, b] = [addon.allocate(8), addon.allocate(16)];
      const codes = [
        code(() => addon.release(a.buffer, b.handle)),
        code(() => addon.release(new ArrayBuffer(64), a.handle)),
        code(() => addon.release(a.buffer, {})),
        code(() => addon.release(a.buffer, a.handle)),
        code(() => addon.release(a.buffer, a.handle)),
        code(() => addon.release(b.buffer, b.handle)),
      ];
      process.stdout.write(codes.join());`;
    const out = execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' });
    expect(out).toBe('shape,shape,shape,none,shape,none');
  });
});
