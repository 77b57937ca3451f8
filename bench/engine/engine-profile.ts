/** Where the time of an operation goes: the kernel functions that it is made of, at its sizes, timed in turn with it in one run. */
import type { Kernel } from '../../src/kernel/kernel.ts';
import type { CkksContext } from '../../src/schemes/ckks/context.ts';
import { type EngineParams, openCkks } from './engine-ckks.ts';
import { type BenchClock, timeInTurn } from '../in-turn.ts';
import type { BenchRow } from '../report.ts';

/** A part of an operation: what `run` does, `times` as often as one run does it. */
interface Phase {
  readonly phase: string;
  readonly times: number;
  readonly run: () => void;
}

interface Profiled {
  readonly op: string;
  readonly run: () => void;
  readonly phases: readonly Phase[];
}

type Work = Awaited<ReturnType<typeof openCkks>>;

/** Words for the phases, allocated once. */
function scratchOf(context: CkksContext) {
  const { kernel, params } = context;
  const { n } = params;
  const limbs = params.q.length + params.p.length;
  const digits = params.digits(params.maxLevel);
  const words = (polynomials: number) => kernel.allocate(polynomials * n);
  const all = {
    one: words(params.q.length),
    two: words(2 * params.q.length),
    other: words(2 * params.q.length),
    sum: words(2 * limbs),
    digits: words(digits * limbs),
    key: words(digits * 2 * limbs),
  };
  return { ...all, free: () => Object.values(all).forEach((run) => run[Symbol.dispose]()) };
}

type Scratch = ReturnType<typeof scratchOf>;

/** Transforms: each digit modulo the primes that are not its own, both parts of the remainder modulo every prime that stays; back: every prime, both remainders of each special prime. */
function rotateProfile({ context, evaluator, ciphertexts }: Work, s: Scratch): Profiled {
  const { kernel, ring, params, pMods } = context;
  const { tables } = ring;
  const level = params.maxLevel;
  const mods = context.qMods(level);
  const [limbs, specials, digits] = [mods.length, pMods.length, params.digits(level)];
  const shape = context.keySwitchShape(level, level);
  const transforms = (count: number, way: string, run: () => void): Phase => ({
    phase: `${count} ${way} transforms`,
    times: count / limbs,
    run,
  });
  return {
    op: 'rotate',
    run: () => evaluator.rotate(ciphertexts[0], 1)[Symbol.dispose](),
    phases: [
      transforms(digits * (limbs + specials) - limbs + 2 * limbs, 'forward', () =>
        kernel.nttForward(tables, s.one, mods),
      ),
      transforms(limbs + 2 * specials, 'inverse', () => kernel.nttInverse(tables, s.one, mods)),
      {
        phase: 'inner products with the key (and an addition)',
        times: 1,
        run: () => kernel.accumulateKey(tables, s.sum, s.digits, s.key, 1, shape),
      },
      {
        phase: 'automorphisms',
        times: 1,
        run: () => kernel.automorphism(tables, s.other, s.two, 5, mods),
      },
      memoryPhase(kernel, s.two.length),
    ],
  };
}

/** A result's memory: given out as zeros. */
function memoryPhase(kernel: Kernel, words: number): Phase {
  return { phase: 'memory of the result', times: 1, run: () => kernel.allocate(words)[Symbol.dispose]() };
}

function encodeProfile({ context, encoder, values }: Work, s: Scratch): Profiled {
  const { kernel, ring, params } = context;
  const mods = context.qMods(params.maxLevel);
  const embedding = context.embedding(params.slots);
  const [re, im] = [Float64Array.from(values), new Float64Array(params.slots)];
  const coefficients = new Float64Array(params.n);
  return {
    op: 'encode',
    run: () => encoder.encode(values)[Symbol.dispose](),
    phases: [
      {
        phase: `${mods.length} forward transforms`,
        times: 1,
        run: () => kernel.nttForward(ring.tables, s.one, mods),
      },
      {
        phase: 'conversion',
        times: 1,
        run: () => kernel.fromDoubles(ring.tables, s.one, coefficients, mods),
      },
      {
        phase: 'complex FFT, with the copy of its input',
        times: 1,
        run: () => {
          re.set(values);
          im.fill(0);
          kernel.embed(embedding, re, im, coefficients, 0, 1, 2 ** 90);
        },
      },
      memoryPhase(kernel, s.one.length),
      { phase: 'wiping of the result', times: 1, run: () => void s.one.u64().fill(0n) },
    ],
  };
}

function decodeProfile({ context, encoder, plaintext }: Work, s: Scratch): Profiled {
  const { kernel, ring, params } = context;
  const mods = context.qMods(params.maxLevel);
  const embedding = context.embedding(params.slots);
  const coefficients = new Float64Array(params.n);
  return {
    op: 'decode',
    run: () => void encoder.decode(plaintext),
    phases: [
      {
        phase: `${mods.length} inverse transforms`,
        times: 1,
        run: () => kernel.nttInverse(ring.tables, s.one, mods),
      },
      {
        phase: 'mixed-radix digits',
        times: 1,
        run: () => kernel.toDoubles(ring.tables, coefficients, s.one, mods),
      },
      {
        phase: 'complex FFT, with the memory of its output',
        times: 1,
        run: () => {
          const [re, im] = [new Float64Array(params.slots), new Float64Array(params.slots)];
          kernel.unembed(embedding, re, im, coefficients, 0, 2 ** 40);
        },
      },
      {
        phase: 'copy and its wiping',
        times: 1,
        run: () => {
          const copy = kernel.allocate(s.one.length);
          copy.u64().set(s.one.u64());
          copy.wipe();
        },
      },
    ],
  };
}

function encryptProfile({ context, encryptor, plaintext }: Work, s: Scratch): Profiled {
  const { kernel, ring, params } = context;
  const { tables } = ring;
  const mods = context.qMods(params.maxLevel);
  const [seed, small] = [new Uint8Array(32), new Int8Array(params.n)];
  return {
    op: 'encrypt-symmetric',
    run: () => encryptor.encrypt(plaintext)[Symbol.dispose](),
    phases: [
      { phase: 'SHAKE128 and rejection', times: 1, run: () => kernel.uniform(tables, s.one, seed, mods) },
      { phase: 'ChaCha20 and binomials', times: 1, run: () => kernel.centredBinomial(small, seed, 0) },
      {
        phase: 'transforms of the error',
        times: 1,
        run: () => kernel.transformSigned(tables, s.one, small, mods),
      },
      {
        phase: 'product with the secret, two additions',
        times: 1,
        run: () => {
          const [out, a] = [s.two.sub(0, s.one.length), s.other.sub(0, s.one.length)];
          kernel.mul(tables, out, a, s.one, mods);
          kernel.add(tables, out, out, a, mods);
          kernel.add(tables, out, out, a, mods);
        },
      },
      memoryPhase(kernel, s.two.length),
    ],
  };
}

/** Rows { profile, phase, us, share }: each phase beside the whole; what is left over is a row, too, and may be negative by noise. */
export async function profileRows(
  kernel: Kernel,
  spec: EngineParams,
  rounds: number,
  clock: BenchClock,
): Promise<BenchRow[]> {
  using work = await openCkks(kernel, spec, { rotations: [1] });
  const scratch = scratchOf(work.context);
  scratch.one.u64().set(work.plaintext.polynomial.words.u64());
  const rows = [rotateProfile, encodeProfile, decodeProfile, encryptProfile].flatMap((profile) => {
    const { op, run, phases } = profile(work, scratch);
    const contenders = [run, ...phases.map((phase) => phase.run)].map((body) => ({
      kernel: kernel.name,
      threads: 1,
      run: body,
    }));
    const [whole, ...parts] = timeInTurn(contenders, rounds, clock).map(({ median }) => median);
    const place = { profile: op, logN: spec.logN, limbs: spec.limbs, special: spec.special };
    const lines = phases.map(({ phase, times }, i) => ({ phase, us: parts[i]! * times }));
    const rest = whole! - lines.reduce((sum, { us }) => sum + us, 0);
    return [{ phase: 'whole', us: whole! }, ...lines, { phase: 'rest', us: rest }].map((line) => ({
      ...place,
      ...line,
      share: line.us / whole!,
    }));
  });
  scratch.free();
  return rows;
}
