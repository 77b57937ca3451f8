/**
 * From LWE ciphertexts under S, modulo q, to ones under s, modulo 2^32 [CGGI20, section 4.1]. Row (j, l) encrypts S_j 2^(32 - B (l+1)), B
 * the bits of a digit; a ciphertext's words, rounded to the bits of all digits, are written in signed digits and multiply the rows. An
 * error of 2^13 or more covers the rounding of q to 2^32, and sums modulo 2^32 need no reduction.
 */
import { shake128 } from '@noble/hashes/sha3.js';
import type { Seed } from '../../base/brand.ts';
import { PANEL_COLUMNS } from '../../kernel/tables/integer-panels.ts';
import type { TfheCiphertext } from './ciphertext.ts';
import type { TfheContext } from './context.ts';
import { LWE_BITS, type TfheParams } from './params.ts';
import type { TfheSecrets } from './secret-key.ts';

const LWE_MODULUS = 2 ** LWE_BITS;

/** Columns of a row in panels: n + 1, filled up with zeros. */
export function switchedColumns({ lweDimension }: TfheParams): number {
  return Math.ceil((lweDimension + 1) / PANEL_COLUMNS) * PANEL_COLUMNS;
}

/**
 * The uniform words of the key, from a public seed, in panels as {@link Kernel.updateIntegerProduct} reads them: SHAKE128(seed), four
 * bytes a word, little-endian, n words a row. Column n, for the bodies, is zero.
 */
export function uniformPanels(params: TfheParams, seed: Seed): Int32Array {
  const panels = new Int32Array(params.keySwitchRows * switchedColumns(params));
  const stream = shake128.create({}).update(seed);
  const bytes = new Uint8Array(4 * params.lweDimension);
  const view = new DataView(bytes.buffer);
  for (let row = 0; row < params.keySwitchRows; row++) {
    stream.xofInto(bytes);
    for (let c = 0; c < params.lweDimension; c++)
      panels[panelIndex(params, row, c)] = view.getInt32(4 * c, true);
  }
  return panels;
}

/** The bodies of a key with the uniform words of `panels`. Leaves `noiseKey` to the caller. */
export function keySwitchBodies(
  { kernel, params }: TfheContext,
  { ring, lwe }: TfheSecrets,
  panels: Int32Array,
  noiseKey: Uint8Array,
): Int32Array {
  const { keySwitchLevels: levels, keySwitchBits, keySwitchRows: rows, lweDimension } = params;
  const errors = new Float64Array(rows);
  const masks = Int32Array.from(lwe, (bit) => -bit);
  try {
    kernel.uniformSigned(errors, params.lweNoiseBits + 1, noiseKey, 0);
    const bodies = new Int32Array(rows);
    for (let row = 0; row < rows; row++) {
      const [j, level] = [Math.floor(row / levels), row % levels];
      // Uniform in [-2^b, 2^b] with ends of half the weight.
      const error = Math.floor((errors[row]! + 1) / 2);
      bodies[row] = error + (ring[j]! << (LWE_BITS - keySwitchBits * (level + 1)));
    }
    for (let c = 0; c < lweDimension; c++) {
      const mask = masks[c]!;
      for (let row = 0; row < rows; row++) bodies[row]! -= panels[panelIndex(params, row, c)]! & mask;
    }
    return bodies;
  } finally {
    errors.fill(0);
    masks.fill(0);
  }
}

/** Writes the bodies into column n. */
export function setBodies(panels: Int32Array, params: TfheParams, bodies: Int32Array): void {
  for (let row = 0; row < bodies.length; row++)
    panels[panelIndex(params, row, params.lweDimension)] = bodies[row]!;
}

/** Digits of the words a_0 .. a_(N-1), `[N, levels]`, each from -B/2 to B/2 - 1, most significant first. */
export function switchDigitsInto(out: Int32Array, params: TfheParams, { words }: TfheCiphertext): void {
  const { n, q, keySwitchBits, keySwitchLevels } = params;
  const base = 1 << keySwitchBits;
  const scale = 2 ** (keySwitchBits * keySwitchLevels) / q;
  for (let j = 0; j < n; j++) {
    let left = Math.floor(words[j]! * scale + 0.5);
    for (let level = keySwitchLevels - 1; level >= 0; level--) {
      const low = left & (base - 1);
      const digit = low < base / 2 ? low : low - base;
      out[j * keySwitchLevels + level] = digit;
      left = (left - digit) / base;
    }
  }
}

/**
 * Rounds a switched ciphertext to multiples of 1/2N of the circle: exponents of `out`, n of them, and that of the body, returned. A binary
 * secret multiplies the errors of rounding by 1/2 on average, which is taken from the body.
 */
export function roundedExponents(
  out: Uint32Array,
  params: TfheParams,
  switched: Int32Array,
  body: number,
): number {
  const { n, q, lweDimension } = params;
  const step = LWE_MODULUS / (2 * n);
  let errors = 0;
  for (let c = 0; c < lweDimension; c++) {
    const rounded = Math.floor(switched[c]! / step + 0.5);
    errors += switched[c]! - rounded * step;
    // X^-a: see the evaluator.
    out[c] = -rounded & (2 * n - 1);
  }
  const whole = Math.floor((body * LWE_MODULUS) / q + 0.5) + switched[lweDimension]!;
  return -Math.floor((whole + errors / 2) / step + 0.5) & (2 * n - 1);
}

function panelIndex({ keySwitchRows }: TfheParams, row: number, column: number): number {
  const within = column % PANEL_COLUMNS;
  return (column - within) * keySwitchRows + row * PANEL_COLUMNS + within;
}
