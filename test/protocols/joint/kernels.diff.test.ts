/** The same seeds give the same messages of a whole session on every kernel: parties on different machines must agree to the bit. */
import { bytesToHex } from '@noble/hashes/utils.js';
import { expect, test } from 'vitest';
import { sha256Digest } from '../../../src/base/sha256.ts';
import { seededRandom } from '../../../src/base/testing.ts';
import type { Kernel, KernelOptions } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { CkksContext } from '../../../src/schemes/ckks/context.ts';
import { openToy, runSession, TOY_PARAMS } from './session.ts';

const CHANGE = { iterations: 4, owners: [20, 21] };

/** Hashes of what each party sent, in order; `kernels[i]` is that of party i. */
async function sessionOn(kernels: readonly Kernel[]): Promise<string[][]> {
  await using toy = await openToy('joint on kernels', { kernel: kernels[0]!, change: CHANGE });
  const contexts: CkksContext[] = [];
  for (const [party, kernel] of kernels.entries())
    contexts.push(await CkksContext.open(TOY_PARAMS, { kernel, random: seededRandom(`party ${party}`) }));
  const sent: string[][] = kernels.map(() => []);
  const result = await runSession(toy, {
    context: (party) => contexts[party]!,
    tap(message, party, direction) {
      if (direction === 'up') sent[party]!.push(bytesToHex(sha256Digest(message)));
      return message;
    },
  });
  expect(result.parties.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
  for (const context of contexts) context[Symbol.dispose]();
  return sent;
}

test('native and WebAssembly send the same bytes, and train with each other', async () => {
  const open = (kernel: NonNullable<KernelOptions['kernel']>) => openKernel({ kernel });
  using wasm = await open('wasm');
  const expected = await sessionOn([wasm, wasm]);
  let native: Kernel;
  try {
    native = await open('native');
  } catch {
    // No addon on this machine: WebAssembly stands alone.
    return;
  }
  using fast = native;
  expect(await sessionOn([fast, fast])).toEqual(expected);
  expect(await sessionOn([fast, wasm])).toEqual(expected);
});
