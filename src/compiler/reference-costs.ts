/**
 * What the primitives cost on a reference processor, in milliseconds of one thread: native kernel, AVX-512 IFMA, `bench -- layouts`
 * of this project. Choices between plans rest on these figures and never on the machine at hand, so that equal
 * networks give equal programs everywhere. Times are for n = 2^13 and grow with n log n.
 */

const REFERENCE_LOG_N = 13;
/** One number-theoretic transform of a limb inside a key switch, with its share of the products. */
const TRANSFORM = 0.025;
/** The same inside a rescaling. */
const RESCALED_LIMB = 0.011;
const TENSOR_LIMB = 0.027;
/** Residue multiply-adds in a millisecond. */
const MULTIPLY_ADDS = 33e6;
/** A pass over a limb: additions, products by a constant, copies. */
const PASS = 0.006;

export interface CostAt {
  readonly logN: number;
  readonly level: number;
  readonly parts: number;
  /** Special primes, and so many primes to a digit; 1 when absent. */
  readonly specials?: number;
}

/** Digits of a key switch, and the primes that they are over. */
function digitsAt({ level, specials = 1 }: CostAt): { digits: number; extended: number } {
  return { digits: Math.ceil((level + 1) / specials), extended: level + 1 + specials };
}

function grown(logN: number): number {
  return (2 ** (logN - REFERENCE_LOG_N) * logN) / REFERENCE_LOG_N;
}

/** A key switch of one polynomial. */
export function keySwitchCost(at: CostAt): number {
  const { digits, extended } = digitsAt(at);
  return TRANSFORM * (digits * extended + 2 * (at.level + 1)) * grown(at.logN);
}

export function rescaleCost({ logN, level, parts }: CostAt): number {
  return RESCALED_LIMB * parts * (level + 1) * grown(logN) * 2;
}

export function tensorCost({ logN, level }: CostAt): number {
  return TENSOR_LIMB * (level + 1) * 2 ** (logN - REFERENCE_LOG_N);
}

/** Tensor product, relinearisation and rescaling of one ciphertext in one pass. */
export function fusedSquareCost(at: CostAt): number {
  return keySwitchCost(at);
}

/** `products`: integer multiply-adds on one residue. */
export function gemmCost(products: number, { logN, level, parts }: CostAt): number {
  return (products * parts * (level + 1) * 2 ** logN) / MULTIPLY_ADDS;
}

/** One pass over a ciphertext. */
export function passCost({ logN, level, parts }: CostAt): number {
  return PASS * parts * (level + 1) * 2 ** (logN - REFERENCE_LOG_N);
}

/**
 * Linear transforms by one kernel call, fitted to ten of them at each of three levels (native AVX-512 IFMA, n = 2^13, one thread, within
 * 6 %): a constant, what every baby step and every giant step adds, and what every diagonal does.
 */
const TRANSFORM_BASE_LIMB = 0.11;
const KEY_PRODUCT_WORD = 0.0056;
const GIANT_TRANSFORM = 0.0137;
const DIAGONAL_LIMB = 0.0054;

export function transformBaseCost({ logN, level }: CostAt): number {
  return TRANSFORM_BASE_LIMB * (level + 1) * grown(logN);
}

/** The products of the digits with one key, over the ciphertext's primes and a special one. */
export function keyProductCost(at: CostAt): number {
  const { digits, extended } = digitsAt(at);
  return KEY_PRODUCT_WORD * digits * extended * 2 ** (at.logN - REFERENCE_LOG_N);
}

export function giantCost(at: CostAt): number {
  const { digits, extended } = digitsAt(at);
  return GIANT_TRANSFORM * (digits * extended + 2 * (at.level + 1)) * grown(at.logN);
}

export function diagonalCost(at: CostAt): number {
  return DIAGONAL_LIMB * digitsAt(at).extended * 2 ** (at.logN - REFERENCE_LOG_N);
}

/** A key counts as this much for each of its residues: clients make and send them, and servers read them for every query. */
const KEY_RESIDUE = 2.4e-6;

export function keyWeight(at: CostAt): number {
  const { digits, extended } = digitsAt(at);
  return KEY_RESIDUE * digits * extended * 2 ** at.logN;
}
