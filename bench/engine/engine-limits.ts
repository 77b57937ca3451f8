/**
 * Operations against the physical limit of the machine that the bench runs on: the multiply-adds that they cannot do without at the
 * measured peak of a core, or the bytes that they must read and write at the measured rate of a copy, whichever takes longer.
 */
import type { Kernel } from '../../src/kernel/kernel.ts';
import { nativeMultiplyAdds } from '../../src/kernel/native/native.ts';
import { linearTransformRotations } from '../../src/schemes/rlwe/giant-steps.ts';
import { barChart } from '../bar-chart.ts';
import { type BenchClock, type Contender, timeInTurn } from '../in-turn.ts';
import type { BenchRow } from '../report.ts';
import { type EngineParams, openCkks } from './engine-ckks.ts';
import { bgvWork } from './engine-bgv.ts';

const PEAK_TURNS = 20_000;
const COPY_WORDS = 2 ** 23;
const [DIAGONALS, BABY_STEPS] = [63, 8];

/** What an operation cannot do without. */
interface Demand {
  readonly multiplyAdds: number;
  readonly bytes: number;
}

interface Operation extends Demand {
  readonly op: string;
  readonly run: () => void;
}

/** The set whose 63 diagonals are the engine's target; four gigabytes of keys and weights. */
const LARGE: EngineParams = { logN: 16, limbs: 27, limbBits: 48, special: 8, specialBits: 49, logScale: 40 };

type Work = Awaited<ReturnType<typeof openCkks>>;

/** Counts over one parameter set: a butterfly takes three multiply-adds, a product of residues to be summed two. */
function countsOf({ context }: Work) {
  const { params, pMods } = context;
  const { n, logN, maxLevel: level } = params;
  const [limbs, specials, digits] = [level + 1, pMods.length, params.digits(level)];
  const all = limbs + specials;
  return {
    ...{ limbs, specials, digits, all, n },
    transforms: (count: number) => (3 * count * n * logN) / 2,
    products: (polynomials: number) => 2 * polynomials * n,
    bytes: (polynomials: number) => 8 * polynomials * n,
    /** Of one decomposition, with the way back, and of one division by P of one part. */
    decomposition: limbs + digits * all - limbs,
    division: specials + limbs,
    keyPolynomials: 2 * digits * all,
  };
}

function rotation(work: Work): Operation & { readonly transformCount: number } {
  const count = countsOf(work);
  const transformCount = count.decomposition + 2 * count.division;
  return {
    op: 'rotate',
    run: () => work.evaluator.rotate(work.ciphertexts[0], 1)[Symbol.dispose](),
    multiplyAdds: count.transforms(transformCount) + count.products(count.keyPolynomials),
    bytes: count.bytes(count.keyPolynomials + 4 * count.limbs),
    transformCount,
  };
}

function linearTransform(work: Work): Operation & Disposable {
  const { encoder, evaluator, values, ciphertexts } = work;
  const count = countsOf(work);
  const diagonals = new Map(Array.from({ length: DIAGONALS }, (_, step) => [step, values]));
  const transform = encoder.encodeLinearTransform(diagonals, { babySteps: BABY_STEPS });
  const giants = Math.ceil(DIAGONALS / BABY_STEPS) - 1;
  const keys = (BABY_STEPS - 1 + giants) * count.keyPolynomials;
  const transforms = (giants + 1) * count.decomposition + (giants + 2) * count.division;
  return {
    op: `linear transform, ${DIAGONALS} diagonals`,
    run: () => evaluator.linearTransform(ciphertexts[0], transform)[Symbol.dispose](),
    multiplyAdds: count.transforms(transforms) + count.products(keys + 2 * DIAGONALS * count.all),
    bytes: count.bytes(keys + DIAGONALS * count.all + 4 * count.limbs),
    [Symbol.dispose]: () => transform[Symbol.dispose](),
  };
}

/** The same by rotations of their own, each a key switch with its divisions. */
function bySingleRotations({ encoder, evaluator, values, ciphertexts }: Work): () => void {
  const weight = encoder.encode(values, { scale: 2 ** 20 });
  return () => {
    const owned: Disposable[] = [];
    const keep = <T extends Disposable>(value: T): T => {
      owned.push(value);
      return value;
    };
    const babies = Array.from({ length: BABY_STEPS }, (_, b) => keep(evaluator.rotate(ciphertexts[0], b)));
    for (let giant = 0; giant < DIAGONALS; giant += BABY_STEPS) {
      const used = babies.slice(0, DIAGONALS - giant);
      let sum = evaluator.mul(used[0]!, weight);
      for (const baby of used.slice(1)) {
        using product = evaluator.mul(baby, weight);
        using before = sum;
        sum = evaluator.add(before, product);
      }
      keep(evaluator.rotate(keep(sum), giant));
    }
    for (const value of owned) value[Symbol.dispose]();
  };
}

const ROTATIONS = { rotations: linearTransformRotations(Array(DIAGONALS).keys(), BABY_STEPS, 2 ** 12) };

/**
 * Rows { op, us, limitUs, boundBy, share }, and how operations stand to what they are made of. Without `quick` the linear transform at
 * 2^16, too, which takes eight gigabytes of memory.
 */
export async function limitRows(
  kernel: Kernel & { readonly label: string },
  spec: EngineParams,
  { rounds, clock, quick }: { rounds: number; clock: BenchClock; quick: boolean },
): Promise<BenchRow[]> {
  if (kernel.name !== 'native' || nativeMultiplyAdds(kernel.isa, 1) === 0) return [];
  const rows: BenchRow[] = [];
  // The shortest, so that others on the machine count for little.
  const time = (runs: readonly (() => void)[]): number[] =>
    timeInTurn(
      runs.map((run): Contender => ({ kernel: kernel.label, threads: 1, run })),
      4 * rounds,
      clock,
    ).map(({ shortest }) => shortest);
  using from = kernel.allocate(COPY_WORDS);
  using to = kernel.allocate(COPY_WORDS);
  const [peakUs, copyUs] = time([
    () => void nativeMultiplyAdds(kernel.isa, PEAK_TURNS),
    () => to.bytes().set(from.bytes()),
  ]) as [number, number];
  const perUs = {
    multiplyAdds: nativeMultiplyAdds(kernel.isa, PEAK_TURNS) / peakUs,
    bytes: (16 * COPY_WORDS) / copyUs,
  };
  const limitOf = ({ multiplyAdds, bytes }: Demand) => {
    const [core, memory] = [multiplyAdds / perUs.multiplyAdds, bytes / perUs.bytes];
    return { limitUs: Math.max(core, memory), boundBy: core > memory ? 'multiply-adds' : 'memory' };
  };
  const add = (at: EngineParams, { op, ...demand }: Operation, us: number): void => {
    const { limitUs, boundBy } = limitOf(demand);
    const place = { logN: at.logN, limbs: at.limbs, special: at.special, threads: 1, kernel: kernel.label };
    rows.push({ op, ...place, us, limitUs, boundBy, share: limitUs / us });
  };
  const compare = (compared: string, op: string, scheme: string, logN: number, ratio: number): void => {
    rows.push({ compared, op, scheme, logN, ratio });
  };
  {
    using work = await openCkks(kernel, spec, ROTATIONS);
    const { context } = work;
    const { tables } = context.ring;
    const count = countsOf(work);
    const mods = context.qMods(context.params.maxLevel);
    using x = kernel.allocate(count.limbs * count.n);
    kernel.uniform(tables, x, new Uint8Array(32), mods);
    using transform = linearTransform(work);
    const rotate = rotation(work);
    const transforms = { multiplyAdds: count.transforms(count.limbs), bytes: 0 };
    const operations: Operation[] = [
      { op: 'forward transforms', run: () => kernel.nttForward(tables, x, mods), ...transforms },
      { op: 'inverse transforms', run: () => kernel.nttInverse(tables, x, mods), ...transforms },
      rotate,
      transform,
    ];
    const times = time([...operations.map(({ run }) => run), bySingleRotations(work)]);
    operations.forEach((operation, i) => add(spec, operation, times[i]!));
    const ofTransforms = (rotate.transformCount * (times[0]! + times[1]!)) / 2 / count.limbs;
    compare('rotation / its transforms', 'rotate', 'ckks', spec.logN, times[2]! / ofTransforms);
    const gain = times.at(-1)! / times[3]!;
    compare('single rotations / linear transform', transform.op, 'ckks', spec.logN, gain);
  }
  {
    using ckks = await openCkks(kernel, spec, ROTATIONS);
    using bgv = await bgvWork(kernel, spec);
    const edges = {
      encode: () => ckks.encoder.encode(ckks.values)[Symbol.dispose](),
      decode: () => void ckks.encoder.decode(ckks.plaintext),
      decrypt: () => ckks.decryptor.decrypt(ckks.ciphertexts[0])[Symbol.dispose](),
    };
    const times = time(Object.entries(edges).flatMap(([op, run]) => [bgv.run[op]!, run]));
    Object.keys(edges).forEach((op, i) => {
      compare('BGV / CKKS', op, 'bgv', spec.logN, times[2 * i]! / times[2 * i + 1]!);
    });
  }
  if (quick) return rows;
  using large = await openCkks(kernel, LARGE, ROTATIONS);
  using transform = linearTransform(large);
  const rotate = rotation(large);
  const times = time([rotate.run, transform.run, bySingleRotations(large)]);
  [rotate, transform].forEach((operation, i) => add(LARGE, operation, times[i]!));
  compare('single rotations / linear transform', transform.op, 'ckks', LARGE.logN, times[2]! / times[1]!);
  return rows;
}

/** The picture of docs/engine.md. */
export function limitChart(rows: readonly BenchRow[]): string {
  const bars = rows
    .filter((row) => 'limitUs' in row)
    .map((row) => ({
      label: `${String(row['op'])}, 2^${String(row['logN'])}`,
      share: Number(row['share']),
      note: `${(100 * Number(row['share'])).toFixed(0)} %, bound by ${String(row['boundBy'])}`,
    }));
  return barChart(`Share of the physical limit, ${String(rows[0]?.['kernel'] ?? '')}, one thread`, bars);
}
