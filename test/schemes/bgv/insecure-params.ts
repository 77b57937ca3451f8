/** Tiny parameters for tests. */
import type { BgvSpec } from '../../../src/schemes/bgv/params.ts';

export const INSECURE_TINY_BGV: BgvSpec = {
  logN: 6,
  logQ: [44, 40, 40],
  logP: [48],
  plaintextBits: 13,
  security: 'insecure-for-tests',
};
