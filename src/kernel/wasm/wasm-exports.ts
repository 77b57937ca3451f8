/** What assembly/index.ts exports, and the memory that this side owns. Addresses are bytes; lengths are words of 8. */

/** How a transform or a loop reads or writes its n values; the numbers of assembly/ntt.ts. */
export const WORDS = 0;
export const LAZY = 1;
export const FOREIGN = 2;
export const CENTRED = 3;

type Address = number;

type PanelProduct = (
  out: Address,
  stride: number,
  rows: number,
  panel: Address,
  terms: Address,
  ends: Address,
  add: boolean,
) => void;

export interface WasmExports extends WebAssembly.Exports {
  heapBase(): number;
  isFused(x: number, y: number): number;
  tableBytes(n: number): number;
  fillTable(table: Address, n: number, q: number, psi: number, psiInverse: number, nInverse: number): void;
  fillBitReversal(at: Address, n: number): void;
  forward(dst: Address, src: Address, table: Address, n: number, from: number, to: number): void;
  inverse(dst: Address, src: Address, table: Address, n: number, from: number, to: number): void;

  add(out: Address, a: Address, b: Address, table: Address, n: number): void;
  sub(out: Address, a: Address, b: Address, table: Address, n: number): void;
  negate(out: Address, a: Address, table: Address, n: number): void;
  mul(out: Address, a: Address, b: Address, table: Address, n: number): void;
  mulAdd(out: Address, a: Address, b: Address, table: Address, n: number): void;
  sumProducts(
    out: Address,
    a: Address,
    aStride: number,
    b: Address,
    bStride: number,
    terms: number,
    table: Address,
    n: number,
  ): void;
  mulScalar(out: Address, a: Address, w: number, table: Address, n: number): void;
  addScalar(out: Address, a: Address, scalar: number, table: Address, n: number): void;
  tensor(
    c0: Address,
    c1: Address,
    c2: Address,
    a0: Address,
    a1: Address,
    b0: Address,
    b1: Address,
    table: Address,
    n: number,
  ): void;
  square(c0: Address, c1: Address, c2: Address, a0: Address, a1: Address, table: Address, n: number): void;
  automorphismIndex(index: Address, reversal: Address, n: number, galois: number): void;
  gather(out: Address, a: Address, index: Address, n: number): void;
  fromBytes(out: Address, small: Address, table: Address, n: number): void;
  fromDoubles(out: Address, values: Address, high: number, table: Address, n: number): void;
  inRange(a: Address, table: Address, n: number): number;

  rotationDigits(out: Address, a: Address, exponent: number, scale: number, table: Address, n: number): void;
  accumulate(
    s0: Address,
    s1: Address,
    x: Address,
    k0: Address,
    k1: Address,
    index: Address,
    first: number,
    table: Address,
    n: number,
    from: number,
  ): void;
  centre(out: Address, x: Address, table: Address, n: number): void;
  centredDifference(out: Address, x: Address, y: Address, c: number, table: Address, n: number): void;
  differenceTimes(
    out: Address,
    x: Address,
    z: Address,
    c: number,
    plus: Address,
    table: Address,
    n: number,
    from: number,
    to: number,
  ): void;
  foreignTimesPlus(out: Address, x: Address, c: number, y: Address, table: Address, n: number): void;
  garner(x: Address, digit: Address, c: number, table: Address, n: number): void;
  horner(v: Address, digit: Address, q: number, n: number): void;
  lazyToWords(out: Address, x: Address, table: Address, n: number): void;
  switchAndRescale(
    out: Address,
    x: Address,
    c: number,
    t: Address,
    z: Address,
    d: number,
    table: Address,
    n: number,
  ): void;
  timesPlusWords(out: Address, x: Address, c: number, t: Address, table: Address, n: number): void;
  wordsToDoubles(out: Address, x: Address, n: number): void;

  embed(
    out: Address,
    re: Address,
    im: Address,
    cos: Address,
    sin: Address,
    slots: number,
    factor: number,
    bound: number,
  ): number;
  unembed(
    re: Address,
    im: Address,
    coefficients: Address,
    cos: Address,
    sin: Address,
    slots: number,
    scale: number,
  ): void;

  fractionSums(
    out: Address,
    a: Address,
    n: number,
    limbs: number,
    words: number,
    factors: Address,
    digits: number,
    space: Address,
  ): void;
  roundFractions(
    out: Address,
    digits: Address,
    masks: Address,
    n: number,
    steps: number,
    digitUnit: number,
    results: number,
  ): number;
  squaredNorm(values: Address, count: number, bound: number): number;
  fractionFactors(
    factors: Address,
    values: Address,
    b: Address,
    words: number,
    terms: number,
    bits: bigint,
    exact: bigint,
    slots: number,
    cos: Address,
    sin: Address,
    reversal: Address,
  ): void;
  fractionRows(
    out: Address,
    first: Address,
    second: Address,
    terms: number,
    factors: Address,
    bits: number,
    exact: number,
    slots: number,
    restFactor: number,
    restUnit: number,
    cos: Address,
    sin: Address,
    reversal: Address,
    space: Address,
  ): void;

  packWeights(out: Address, weights: Address, rows: number, cols: number): void;
  packPanel(
    panel: Address,
    c: Address,
    stride: number,
    index: Address,
    cols: number,
    width: number,
    piece: number,
    table: Address,
  ): void;
  multiplyPanel(
    out: Address,
    stride: number,
    weights: Address,
    rows: number,
    cols: number,
    panel: Address,
    tileBytes: number,
    taps: Address,
    width: number,
    chunks: Address,
    action: number,
    side: Address,
    shift: number,
    table: Address,
  ): void;
  sgemm(
    transposeA: boolean,
    transposeB: boolean,
    m: number,
    n: number,
    k: number,
    alpha: number,
    a: Address,
    b: Address,
    beta: number,
    c: Address,
    strip: Address,
  ): void;

  splitHalves(low: Address, high: Address, x: Address, count: number, padded: number): void;
  integerDots(out: Address, weights: Address, rows: number, terms: number, low: Address, high: Address): void;
  integerPanel(panel: Address, image: Address, base: Address, offset: Address, pairs: number): void;
  integerStrip(
    out: Address,
    stride: number,
    width: number,
    weights: Address,
    rows: number,
    panel: Address,
    pairs: number,
    buffer: Address,
  ): void;
  integerNarrowProduct: PanelProduct;
  integerWideProduct: PanelProduct;

  subtractProduct(
    out: Address,
    rows: Address,
    factors: Address,
    targets: number,
    sources: number,
    rowBytes: number,
    terms: Address,
    prime: number,
    most: number,
  ): void;

  uniformResidues(out: Address, n: number, space: Address, input: Address, q: bigint, bits: number): void;
  uniformResiduesTwo(
    out0: Address,
    out1: Address,
    n: number,
    space: Address,
    input: Address,
    q0: bigint,
    q1: bigint,
    bits0: number,
    bits1: number,
  ): void;
  keyStream(
    out: Address,
    space: Address,
    key: Address,
    counter: number,
    blocks: number,
    nonceLow: number,
    nonceHigh: number,
  ): void;
  centredBinomial(out: Address, stream: Address, count: number): void;
  ternary(out: Address, stream: Address, bytes: number, done: number, count: number): number;
  uniformSigned(out: Address, stream: Address, count: number, bits: number): void;
  wideGaussian(
    out: Address,
    stream: Address,
    candidates: number,
    done: number,
    count: number,
    multiplier: bigint,
    reciprocal: bigint,
    shift: bigint,
  ): number;
  packBits(out: Address, words: Address, count: number, bits: bigint): void;
  unpackBits(out: Address, bytes: Address, count: number, bits: bigint): void;
}
