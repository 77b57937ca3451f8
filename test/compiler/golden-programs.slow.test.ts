/** Replies of all shipped networks under fixed seeds: see golden-programs.test.ts. */
import { describe, expect, it } from 'vitest';
import { openKernel } from '../../src/kernel/open.ts';
import { eagerProgram, fixedExchange, frozenProgram, GOLDEN_NETWORKS } from './golden-programs.ts';

describe.each(GOLDEN_NETWORKS)('%s', (name, make) => {
  it('answers with the frozen bytes', async () => {
    using kernel = await openKernel();
    const { ciphertextsOfQuery, ciphertextsOfReply } = frozenProgram(name);
    const answered = await fixedExchange(kernel, eagerProgram(name, make()));
    expect(answered).toEqual({ ciphertextsOfQuery, ciphertextsOfReply });
  });
});
