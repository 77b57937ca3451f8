/**
 * The programs of the shipped networks stay what they were, to the last bit of every scale, and so do replies under fixed seeds. The
 * frozen file was written by the compiler that knew chains of squares only.
 */
import { describe, expect, it } from 'vitest';
import type { Offer } from '../../src/compiler/offer.ts';
import type { LayerBound } from '../../src/compiler/program.ts';
import { openKernel } from '../../src/kernel/open.ts';
import {
  describeProgram,
  eagerProgram,
  fixedExchange,
  frozenProgram,
  GOLDEN_NETWORKS,
} from './golden-programs.ts';

describe.each(GOLDEN_NETWORKS)('%s', (name, make) => {
  it('is the frozen program', () => {
    const { bounds, ciphertextsOfQuery: _, ciphertextsOfReply: __, ...facts } = frozenProgram(name);
    const { bounds: own, ...described } = describeProgram(eagerProgram(name, make())) as {
      bounds: LayerBound[];
    };
    const { offer, ...rest } = described as { offer: Offer };
    const { outputError, ...frozenOffer } = facts['offer'] as Offer;
    expect({ ...rest, offer: { ...offer, outputError: 0 } }).toEqual({
      ...facts,
      offer: { ...frozenOffer, outputError: 0 },
    });
    // The estimate of before left out what taking a query apart adds.
    expect(offer.outputError / outputError).toBeGreaterThan(1);
    expect(offer.outputError / outputError).toBeLessThan(1.5);
    (bounds as LayerBound[]).forEach(({ layer, trained, capacity, proven }, i) => {
      expect(own[i]).toMatchObject({ layer, trained, capacity });
      expect(own[i]!.proven / proven).toBeCloseTo(1, 12);
    });
  });
});

it.each(GOLDEN_NETWORKS.filter(([name]) => name === 'generated' || name === 'digits-cnn'))(
  '%s answers with the frozen bytes',
  async (name, make) => {
    using kernel = await openKernel();
    const { ciphertextsOfQuery, ciphertextsOfReply } = frozenProgram(name);
    const answered = await fixedExchange(kernel, eagerProgram(name, make()));
    expect(answered).toEqual({ ciphertextsOfQuery, ciphertextsOfReply });
  },
);
