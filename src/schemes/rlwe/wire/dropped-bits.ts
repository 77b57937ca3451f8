/**
 * Low bits that a ciphertext at one prime need not carry: with b_0 bits dropped from the coefficients of c_0 and b_1 from those of
 * c_1, and the middle of what was dropped put in their place, decryption adds d_0 + d_1 s with |d_i| <= 2^(b_i - 1). The residues of a
 * re-randomised ciphertext are uniform, so d_0 and d_1 are.
 */

/** Of every coefficient of the first and of the second part. */
export interface DroppedBits {
  readonly first: number;
  readonly second: number;
}

/** Of what is dropped, from half an interval to its middle. */
function halfStep(bits: number): number {
  return bits === 0 ? 0 : 2 ** (bits - 1);
}

/** No coefficient of the decryption moves further, whatever the ternary secret: ||s||_1 <= N. */
export function droppedBound(n: number, { first, second }: DroppedBits): number {
  return halfStep(first) + n * halfStep(second);
}

/** Variance per coefficient: (4^b_0 + h 4^b_1) / 12, h = 2N/3. */
export function droppedNoise(n: number, { first, second }: DroppedBits): number {
  const step = (bits: number) => (bits === 0 ? 0 : 4 ** bits / 12);
  return step(first) + ((2 * n) / 3) * step(second);
}

/** The most bits of each part, such that {@link droppedNoise} is at most `variance`: half of it for each part. */
export function droppableBits(n: number, variance: number): DroppedBits {
  return { first: mostBits(variance / 2), second: mostBits(variance / 2 / ((2 * n) / 3)) };
}

/** As {@link droppableBits}, all of it for the second part: of replies whose first is sent whole. */
export function droppableSecondBits(n: number, variance: number): DroppedBits {
  return { first: 0, second: mostBits(variance / ((2 * n) / 3)) };
}

function mostBits(variance: number): number {
  return Math.max(0, Math.floor(0.5 * Math.log2(12 * variance)));
}
