/** {@link Kernel.linearTransform} made of the other methods, for kernels that have no loop of its own. */
import { ShapeError } from '../../base/errors.ts';
import type {
  Kernel,
  KeySwitchShape,
  RingTables,
  TransformPlan,
  TransformRotation,
  Words,
} from '../kernel.ts';
import * as check from '../preconditions.ts';

/** The operands of {@link Kernel.linearTransform}. */
function checkTransform(
  ring: RingTables,
  out: Words,
  a: Words,
  { babies, giants }: TransformPlan,
  basis: Omit<KeySwitchShape, 'keyLimbs'>,
): void {
  const sizes = check.keySwitchSizes(ring, { ...basis, keyLimbs: [...basis.q, ...basis.p] });
  check.checkLength('a', a.length, 2 * sizes.qWords);
  check.checkLength('out', out.length, a.length);
  check.checkDisjoint('a', out, a);
  if (babies.length === 0 || giants.length === 0)
    throw new ShapeError('the steps of a linear transform', 'one at least of each kind', 'none');
  for (const { galois, key } of [...babies, ...giants]) {
    check.checkGalois(ring, galois);
    if (galois === 1) continue;
    if (key === undefined) throw new ShapeError('the key of a rotation', 'given', 'missing');
    check.checkKey(key.words, check.keySwitchSizes(ring, { ...basis, keyLimbs: key.limbs }));
    check.checkDisjoint('a key', out, key.words);
  }
  for (const { weights } of giants) {
    check.checkLength('the weights of a giant step', weights.length, babies.length);
    for (const weight of weights) {
      if (weight === undefined) continue;
      check.checkLength('a weight', weight.length, sizes.digitWords);
      check.checkDisjoint('a weight', out, weight);
    }
  }
}

type Composed = Pick<
  Kernel,
  'allocate' | 'decompose' | 'accumulateKey' | 'automorphism' | 'mulScalar' | 'mulAdd' | 'add' | 'modDown'
>;

export function composedLinearTransform(
  kernel: Composed,
  ring: RingTables,
  out: Words,
  a: Words,
  plan: TransformPlan,
  basis: Omit<KeySwitchShape, 'keyLimbs'>,
): void {
  checkTransform(ring, out, a, plan, basis);
  const { q, p } = basis;
  const mods = [...q, ...p];
  const [plain, extended] = [check.polynomialWords(ring, q), check.polynomialWords(ring, mods)];
  const digitWords = Math.ceil(q.length / basis.alpha) * extended;
  const held: Words[] = [];
  const scratch = (words: number): Words => {
    const run = kernel.allocate(words);
    held.push(run);
    return run;
  };
  /** sum += the products of the rotated digits and the key, plus the rotated `first`, over `firstMods`. */
  const addRotated = (
    sum: Words,
    digits: Words,
    { galois, key }: TransformRotation,
    first: Words,
    moved: Words,
  ) => {
    const firstMods = first.length === plain ? q : mods;
    const shape = { ...basis, keyLimbs: key!.limbs };
    kernel.accumulateKey(ring, sum, digits, key!.words, galois, shape);
    kernel.automorphism(ring, moved.sub(0, first.length), first, galois, firstMods);
    const to = sum.sub(0, first.length);
    kernel.add(ring, to, to, moved.sub(0, first.length), firstMods);
  };
  try {
    const [total, inner] = [scratch(2 * extended), scratch(2 * extended)];
    const [own, digits] = [scratch(digitWords), scratch(digitWords)];
    const [moved, scaled] = [scratch(extended), scratch(2 * plain)];
    const specials = q.map((limb) =>
      Number(
        p.reduce((product, at) => (product * BigInt(ring.moduli[at]!)) % BigInt(ring.moduli[limb]!), 1n),
      ),
    );
    kernel.mulScalar(ring, scaled, a, specials, q);
    kernel.decompose(ring, own, a.sub(plain, plain), { ...basis, keyLimbs: mods });
    // P times the rotated ciphertext, over q and p: kept where several giant steps use it.
    const kept = new Map<number, Words>();
    let space: Words | undefined;
    const product = (b: number): Words => {
      const isShared = plan.giants.filter(({ weights }) => weights[b] !== undefined).length > 1;
      const ready = kept.get(b);
      if (ready !== undefined) return ready;
      const sum = isShared ? scratch(2 * extended) : (space ??= scratch(2 * extended));
      if (isShared) kept.set(b, sum);
      else sum.u64().fill(0n);
      const baby = plan.babies[b]!;
      if (baby.galois !== 1) addRotated(sum, own, baby, scaled.sub(0, plain), moved);
      else
        for (const part of [0, 1])
          sum
            .sub(part * extended, plain)
            .bytes()
            .set(scaled.sub(part * plain, plain).bytes());
      return sum;
    };
    for (const giant of plan.giants) {
      const sum = giant.galois === 1 ? total : inner;
      if (sum === inner) inner.u64().fill(0n);
      giant.weights.forEach((weight, b) => {
        if (weight !== undefined) kernel.mulAdd(ring, sum, product(b), weight, mods);
      });
      if (sum === total) continue;
      const second = moved.sub(0, plain);
      kernel.modDown(ring, second, inner.sub(extended, extended), q, p);
      kernel.decompose(ring, digits, second, { ...basis, keyLimbs: mods });
      addRotated(total, digits, giant, inner.sub(0, extended), moved);
    }
    kernel.modDown(ring, out, total, q, p);
  } finally {
    for (const run of held) run[Symbol.dispose]();
  }
}
