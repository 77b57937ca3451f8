/** The exports of the WebAssembly kernel. All arguments are byte addresses, counts and doubles; nothing is checked here. */
export { fillBitReversal, fillTable, isFused, tableBytes } from './table';
export { forward, inverse } from './ntt';
export {
  add,
  addScalar,
  automorphismIndex,
  fromBytes,
  fromDoubles,
  gather,
  inRange,
  mul,
  mulAdd,
  mulScalar,
  negate,
  square,
  sub,
  sumProducts,
  tensor,
} from './limb';
export {
  accumulate,
  centre,
  centredDifference,
  differenceTimes,
  foreignTimesPlus,
  garner,
  horner,
  lazyToWords,
  switchAndRescale,
  timesPlusWords,
  wordsToDoubles,
} from './lazy';
export { rotationDigits } from './rotation';
export { embed, unembed } from './embedding';
export { fractionSums, roundFractions, squaredNorm } from './fraction';
export { fractionFactors, fractionRows } from './fraction-dot';
export { multiplyPanel, packPanel, packWeights } from './gemm';
export {
  integerDots,
  integerNarrowProduct,
  integerPanel,
  integerStrip,
  integerWideProduct,
  splitHalves,
} from './integer';
export { subtractProduct } from './residue';
export { sgemm } from './sgemm';
export { uniformResidues, uniformResiduesTwo } from './uniform';
export { centredBinomial, keyStream, ternary, uniformSigned } from './chacha20';
export { wideGaussian } from './gaussian';
export { packBits, unpackBits } from './bits';

/** The first byte that the host may use. */
export function heapBase(): usize {
  return __heap_base;
}
