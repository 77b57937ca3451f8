/** Tiny parameters for tests. */
import type { BgvCrtSpec } from '../../../src/schemes/bgv/crt/crt-params.ts';
import type { BgvSpec } from '../../../src/schemes/bgv/params.ts';

export const INSECURE_TINY_BGV: BgvSpec = {
  logN: 6,
  logQ: [44, 40, 40],
  logP: [48],
  plaintextBits: 13,
  security: 'insecure-for-tests',
};

/** 1 mod 128. */
export const INSECURE_CRT: BgvCrtSpec = {
  logN: 6,
  logQ: [44, 40, 40],
  logP: [48],
  plaintextModuli: [7681, 10753],
  security: 'insecure-for-tests',
};
