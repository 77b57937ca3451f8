/** The native kernel's arithmetic on polynomials: transforms, residues, samplers, key switching, packing. */
import { printOnOneLine } from '../../base/inspect.ts';
import { DisposedError, KernelError, ShapeError } from '../../base/errors.ts';
import type { Kernel, KeySwitchShape, RingTables, TransformRotation } from '../kernel.ts';
import type { NativeAddon, NativeHandle } from './native-addon.ts';
import { checkRing } from '../preconditions.ts';
import { primitiveRoot2N } from '../tables/primitive-root.ts';

type RingMethods = Omit<
  Kernel,
  | 'name'
  | 'isa'
  | 'threads'
  | 'liveWords'
  | 'prepareIntegerLinear'
  | 'integerLinear'
  | 'integerLinearAsync'
  | 'updateIntegerProduct'
  | 'subtractProduct'
  | 'allocate'
  | 'embed'
  | 'unembed'
  | 'fractionDot'
  | 'roundFractions'
  | 'squaredNorms'
  | 'prepareGemm'
  | 'gemm'
  | 'sgemm'
  | typeof Symbol.dispose
>;

type U64 = BigUint64Array;
type ShapeArguments = [q: Uint32Array, p: Uint32Array, alpha: number, keyLimbs: Uint32Array];
type RotationArguments = [elements: Uint32Array, keys: U64[], limbs: Uint32Array[]];
type Binary = (ring: NativeHandle, out: U64, a: U64, b: U64, mods: Uint32Array) => void;
type WithScalars = (ring: NativeHandle, out: U64, a: U64, scalars: Float64Array, mods: Uint32Array) => void;
type Transform = (ring: NativeHandle, x: U64, mods: Uint32Array) => void;
type Switch = (
  ring: NativeHandle,
  out: U64,
  input: U64,
  key: U64,
  galois: number,
  ...shape: ShapeArguments
) => void;
type SmallSampler = (isa: number, out: Int8Array, key: Uint8Array, nonce: number) => void;

/** The addon checks every argument itself; see native/addon/addon_ring.cpp. */
interface RingAddon extends NativeAddon {
  openRing(isa: number, n: number, moduli: Float64Array, roots: Float64Array): NativeHandle;
  releaseRing(ring: NativeHandle): void;
  listIsas(): (string | undefined)[];
  /** Whether the instruction set agrees with the scalar loops on fixed words. */
  testRing(isa: number): boolean;
  nttForward: Transform;
  nttInverse: Transform;
  add: Binary;
  sub: Binary;
  mul: Binary;
  mulAdd: Binary;
  sumProducts: Binary;
  negate(ring: NativeHandle, out: U64, a: U64, mods: Uint32Array): void;
  mulScalar: WithScalars;
  addScalar: WithScalars;
  automorphism(ring: NativeHandle, out: U64, a: U64, galois: number, mods: Uint32Array): void;
  fromSigned(ring: NativeHandle, out: U64, small: Int8Array, mods: Uint32Array): void;
  fromDoubles(ring: NativeHandle, out: U64, values: Float64Array, mods: Uint32Array): void;
  transformSigned(ring: NativeHandle, out: U64, small: Int8Array, mods: Uint32Array): void;
  transformDoubles(ring: NativeHandle, out: U64, values: Float64Array, mods: Uint32Array): void;
  fractionSums(ring: NativeHandle, out: Uint32Array, a: U64, words: number, mods: Uint32Array): void;
  encodeSlots(ring: NativeHandle, out: U64, values: Float64Array | Int32Array, places: Uint32Array): boolean;
  decodeSlots(ring: NativeHandle, out: Float64Array, a: U64, places: Uint32Array): void;
  blindRotate(ring: NativeHandle, acc: U64, exponents: Uint32Array, key: U64, shift: number): void;
  toDoubles(ring: NativeHandle, out: Float64Array, a: U64, mods: Uint32Array): void;
  uniform(ring: NativeHandle, out: U64, seed: Uint8Array, mods: Uint32Array, first: number): void;
  centredBinomial: SmallSampler;
  ternary: SmallSampler;
  uniformSigned(isa: number, out: Float64Array, bits: number, key: Uint8Array, nonce: number): void;
  wideGaussian(isa: number, out: Float64Array, multiplier: number, key: Uint8Array, nonce: number): void;
  rescale(ring: NativeHandle, out: U64, a: U64, mods: Uint32Array): void;
  decompose(ring: NativeHandle, out: U64, d: U64, ...shape: ShapeArguments): void;
  applyKey: Switch;
  keySwitch: Switch;
  accumulateKey(
    ring: NativeHandle,
    sum: U64,
    digits: U64,
    key: U64,
    galois: number,
    ...rest: [...shape: ShapeArguments, weight: U64]
  ): void;
  linearTransform(
    ring: NativeHandle,
    out: U64,
    a: U64,
    q: Uint32Array,
    p: Uint32Array,
    alpha: number,
    ...plan: [...babies: RotationArguments, ...giants: RotationArguments, weights: U64[], terms: Int32Array]
  ): void;
  modDown(ring: NativeHandle, out: U64, a: U64, q: Uint32Array, p: Uint32Array): void;
  rotate: Switch;
  tensor: Binary;
  multiplyRelinearizeRescale(
    ring: NativeHandle,
    out: U64,
    a: U64,
    b: U64,
    key: U64,
    ...shape: ShapeArguments
  ): void;
  inRange(ring: NativeHandle, a: U64, mods: Uint32Array): boolean;
  packBits(out: Uint8Array, a: U64, bits: number): void;
  unpackBits(out: U64, bytes: Uint8Array, bits: number): void;
}

class NativeRingTables implements RingTables {
  readonly n: number;
  readonly moduli: readonly number[];
  readonly #addon: RingAddon;
  #handle: NativeHandle | undefined;

  constructor(addon: RingAddon, isa: number, n: number, moduli: readonly number[]) {
    checkRing(n, moduli);
    this.n = n;
    this.moduli = [...moduli];
    this.#addon = addon;
    const roots = Float64Array.from(moduli, (q) => primitiveRoot2N(n, q));
    this.#handle = addon.openRing(isa, n, Float64Array.from(moduli), roots);
  }

  get handle(): NativeHandle {
    if (this.#handle === undefined) throw new DisposedError('a ring');
    return this.#handle;
  }

  [Symbol.dispose](): void {
    if (this.#handle !== undefined) this.#addon.releaseRing(this.#handle);
    this.#handle = undefined;
  }
}

const NO_WORDS = new BigUint64Array(0);

function handleOf(ring: RingTables): NativeHandle {
  if (!(ring instanceof NativeRingTables))
    throw new ShapeError('the ring', 'of the native kernel', 'of another');
  return ring.handle;
}

/** Limb lists cross as 32-bit integers, which must not turn a wrong index into a right one. */
function limbList(mods: readonly number[]): Uint32Array {
  for (const limb of mods) {
    if (!Number.isInteger(limb) || limb < 0 || limb >= 2 ** 32)
      throw new ShapeError('a limb index', 'an index into the ring', limb);
  }
  return Uint32Array.from(mods);
}

function shapeArguments({ q, p, alpha, keyLimbs }: KeySwitchShape): ShapeArguments {
  return [limbList(q), limbList(p), alpha, limbList(keyLimbs)];
}

function arithmetic(addon: RingAddon, isa: number) {
  return {
    openRing: (n, moduli) => new NativeRingTables(addon, isa, n, moduli),
    nttForward: (ring, x, mods) => addon.nttForward(handleOf(ring), x.u64(), limbList(mods)),
    nttInverse: (ring, x, mods) => addon.nttInverse(handleOf(ring), x.u64(), limbList(mods)),
    add: (ring, out, a, b, mods) => addon.add(handleOf(ring), out.u64(), a.u64(), b.u64(), limbList(mods)),
    sub: (ring, out, a, b, mods) => addon.sub(handleOf(ring), out.u64(), a.u64(), b.u64(), limbList(mods)),
    negate: (ring, out, a, mods) => addon.negate(handleOf(ring), out.u64(), a.u64(), limbList(mods)),
    mul: (ring, out, a, b, mods) => addon.mul(handleOf(ring), out.u64(), a.u64(), b.u64(), limbList(mods)),
    mulAdd: (ring, out, a, b, mods) =>
      addon.mulAdd(handleOf(ring), out.u64(), a.u64(), b.u64(), limbList(mods)),
    sumProducts: (ring, out, a, b, mods) =>
      addon.sumProducts(handleOf(ring), out.u64(), a.u64(), b.u64(), limbList(mods)),
    mulScalar: (ring, out, a, scalars, mods) =>
      addon.mulScalar(handleOf(ring), out.u64(), a.u64(), Float64Array.from(scalars), limbList(mods)),
    addScalar: (ring, out, a, scalars, mods) =>
      addon.addScalar(handleOf(ring), out.u64(), a.u64(), Float64Array.from(scalars), limbList(mods)),
    automorphism: (ring, out, a, galois, mods) =>
      addon.automorphism(handleOf(ring), out.u64(), a.u64(), galois, limbList(mods)),
    tensor: (ring, out, a, b, mods) =>
      addon.tensor(handleOf(ring), out.u64(), a.u64(), b.u64(), limbList(mods)),
    inRange: (ring, a, mods) => addon.inRange(handleOf(ring), a.u64(), limbList(mods)),
  } satisfies Partial<RingMethods>;
}

function conversions(addon: RingAddon, isa: number) {
  return {
    fromSigned: (ring, out, small, mods) =>
      addon.fromSigned(handleOf(ring), out.u64(), small, limbList(mods)),
    fromDoubles: (ring, out, values, mods) =>
      addon.fromDoubles(handleOf(ring), out.u64(), values, limbList(mods)),
    transformSigned: (ring, out, small, mods) =>
      addon.transformSigned(handleOf(ring), out.u64(), small, limbList(mods)),
    transformDoubles: (ring, out, values, mods) =>
      addon.transformDoubles(handleOf(ring), out.u64(), values, limbList(mods)),
    fractionSums: (ring, out, a, words, mods) =>
      addon.fractionSums(handleOf(ring), out, a.u64(), words, limbList(mods)),
    toDoubles: (ring, out, a, mods) => addon.toDoubles(handleOf(ring), out, a.u64(), limbList(mods)),
    encodeSlots: (ring, out, values, places) => addon.encodeSlots(handleOf(ring), out.u64(), values, places),
    decodeSlots: (ring, out, a, places) => addon.decodeSlots(handleOf(ring), out, a.u64(), places),
    uniform: (ring, out, seed, mods, first = 0) =>
      addon.uniform(handleOf(ring), out.u64(), seed, limbList(mods), first),
    centredBinomial: (out, key, nonce) => addon.centredBinomial(isa, out, key, nonce),
    ternary: (out, key, nonce) => addon.ternary(isa, out, key, nonce),
    uniformSigned: (out, bits, key, nonce) => addon.uniformSigned(isa, out, bits, key, nonce),
    wideGaussian: (out, multiplier, key, nonce) => addon.wideGaussian(isa, out, multiplier, key, nonce),
    packBits: (out, a, bits) => addon.packBits(out, a.u64(), bits),
    unpackBits: (out, bytes, bits) => addon.unpackBits(out.u64(), bytes, bits),
  } satisfies Partial<RingMethods>;
}

function rotationArguments(rotations: readonly TransformRotation[]): RotationArguments {
  return [
    Uint32Array.from(rotations, ({ galois }) => galois),
    rotations.map(({ key }) => key?.words.u64() ?? NO_WORDS),
    rotations.map(({ key }) => limbList(key?.limbs ?? [])),
  ];
}

function keySwitching(addon: RingAddon) {
  return {
    rescale: (ring, out, a, mods) => addon.rescale(handleOf(ring), out.u64(), a.u64(), limbList(mods)),
    decompose: (ring, out, d, shape) =>
      addon.decompose(handleOf(ring), out.u64(), d.u64(), ...shapeArguments(shape)),
    applyKey: (ring, out, digits, key, galois, shape) =>
      addon.applyKey(handleOf(ring), out.u64(), digits.u64(), key.u64(), galois, ...shapeArguments(shape)),
    accumulateKey: (ring, sum, digits, key, galois, shape, weight) =>
      addon.accumulateKey(
        handleOf(ring),
        sum.u64(),
        digits.u64(),
        key.u64(),
        galois,
        ...shapeArguments(shape),
        weight?.u64() ?? NO_WORDS,
      ),
    linearTransform: (ring, out, a, plan, { q, p, alpha }) => {
      const given = plan.giants.flatMap(({ weights }) => weights);
      const weights = given.flatMap((weight) => (weight === undefined ? [] : [weight.u64()]));
      let next = 0;
      const terms = Int32Array.from(given, (weight) => (weight === undefined ? -1 : next++));
      const steps = [...rotationArguments(plan.babies), ...rotationArguments(plan.giants)] as const;
      const limbs = [limbList(q), limbList(p), alpha] as const;
      addon.linearTransform(handleOf(ring), out.u64(), a.u64(), ...limbs, ...steps, weights, terms);
    },
    modDown: (ring, out, a, q, p) =>
      addon.modDown(handleOf(ring), out.u64(), a.u64(), limbList(q), limbList(p)),
    keySwitch: (ring, out, d, key, galois, shape) =>
      addon.keySwitch(handleOf(ring), out.u64(), d.u64(), key.u64(), galois, ...shapeArguments(shape)),
    rotate: (ring, out, a, key, galois, shape) =>
      addon.rotate(handleOf(ring), out.u64(), a.u64(), key.u64(), galois, ...shapeArguments(shape)),
    blindRotate: (ring, acc, exponents, key, shift) =>
      addon.blindRotate(handleOf(ring), acc.u64(), exponents, key.u64(), shift),
    multiplyRelinearizeRescale: (ring, out, a, b, key, shape) =>
      addon.multiplyRelinearizeRescale(
        handleOf(ring),
        out.u64(),
        a.u64(),
        b.u64(),
        key.u64(),
        ...shapeArguments(shape),
      ),
  } satisfies Partial<RingMethods>;
}

const testedIsas = new Set<number>();

/**
 * `isa` is the number by which the addon knows the instruction set.
 * @throws {KernelError} when the instruction set computes something else than the scalar loops.
 */
export function nativeRing(addon: NativeAddon, isa: number): RingMethods {
  const ringAddon = addon as RingAddon;
  if (!testedIsas.has(isa)) {
    if (!ringAddon.testRing(isa))
      throw new KernelError('native', `instruction set number ${isa} fails its self-test`);
    testedIsas.add(isa);
  }
  return { ...arithmetic(ringAddon, isa), ...conversions(ringAddon, isa), ...keySwitching(ringAddon) };
}

printOnOneLine(NativeRingTables);
