/** Modular arithmetic on BigInt, for tables and for the reference kernel. Not constant-time: public values only. */

export function powerMod(base: bigint, exponent: bigint, q: bigint): bigint {
  let result = 1n;
  let square = base % q;
  for (let e = exponent; e > 0n; e >>= 1n) {
    if (e & 1n) result = (result * square) % q;
    square = (square * square) % q;
  }
  return result;
}

/** The representative of x mod q in [0, q). */
export function residue(x: bigint, q: bigint): bigint {
  const r = x % q;
  return r < 0n ? r + q : r;
}

/** x^-1 mod the prime q (Fermat). */
export function inverseMod(x: bigint, q: bigint): bigint {
  return powerMod(residue(x, q), q - 2n, q);
}

/** The representative in [-(q-1)/2, (q-1)/2] of a residue in [0, q); q odd. */
export function centred(x: bigint, q: bigint): bigint {
  return x > q >> 1n ? x - q : x;
}
