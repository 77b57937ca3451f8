/**
 * The steps of packed programs on ciphertexts: transforms by encoded diagonals, rotations with additions, products with and additions of
 * vectors of slots. Vectors are encoded once, when the machine is made.
 */
import { addendVectors, type Layout, slotVectors } from '../compiler/packed/layout.ts';
import { packedSubject, plannedParts } from '../compiler/packed/packed-analysis.ts';
import { type GiantGroup, positiveStep } from '../compiler/packed/key-plans.ts';
import { forEachTransformPart, rotationPath } from '../compiler/packed/rotations.ts';
import type { PackedStep, Program, ProgramValue } from '../compiler/program.ts';
import type { Words } from '../kernel/kernel.ts';
import type { Arena } from '../ring/arena.ts';
import { type CiphertextBatch, CkksCiphertext } from '../schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../schemes/ckks/context.ts';
import type { CkksEncoder } from '../schemes/ckks/encoder.ts';
import type { LinearTransform } from '../schemes/ckks/linear-transform.ts';
import type { CkksPlaintext } from '../schemes/ckks/plaintext.ts';
import { linearTransformInto } from '../schemes/rlwe/double-hoisting.ts';
import type { EvaluationKeys } from '../schemes/rlwe/keys/evaluation-keys.ts';
import { rotationElement } from '../schemes/rlwe/keys/key-plan.ts';

type TransformStep = Extract<PackedStep, { readonly op: 'transform' }>;

interface PreparedPart {
  readonly out: number;
  readonly in: number;
  readonly sum: TransformSum;
}

/** A transform, and sums that are rotated and added to it: of giant steps that have no key of their own. */
interface TransformSum {
  readonly transform?: LinearTransform;
  readonly rotated: readonly { readonly step: number; readonly sum: TransformSum }[];
}

/** Ciphertexts that a sum takes besides its result. */
function depthOf({ rotated }: TransformSum): number {
  return rotated.length === 0 ? 1 : 1 + Math.max(...rotated.map(({ sum }) => depthOf(sum)));
}

export class PackedOperations implements Disposable {
  readonly #program: Program;
  readonly #context: CkksContext;
  readonly #arena: Arena;
  #encoder!: CkksEncoder;
  /** By the value that a step makes. */
  readonly #transforms = new Map<number, PreparedPart[]>();
  readonly #vectors = new Map<number, CkksPlaintext[]>();
  /** Two ciphertexts for each depth of sums, of rotations that are made of several. */
  #scratch: Words[] = [];

  /** `context` is borrowed. @throws {KernelError} when there is no memory for the encoded vectors. */
  constructor(program: Program, context: CkksContext) {
    this.#program = program;
    this.#context = context;
    this.#arena = context.arena();
    try {
      this.#encoder = context.encoder(this.#arena);
      for (const step of program.steps) {
        const value = program.values[step.to]!;
        if (step.op === 'transform') this.#prepareTransform(step);
        else if (step.op === 'addPlain')
          this.#prepareVectors(
            step.to,
            addendVectors(this.#layoutOf(value), program.constants[step.addends]!),
            value.scale,
          );
        else if (step.op === 'multiplyPlain') {
          const scale = value.scale / program.values[step.from]!.scale;
          this.#prepareVectors(
            step.to,
            slotVectors(this.#layoutOf(value), program.constants[step.factors]!),
            scale,
          );
        }
      }
      this.#takeScratch();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #layoutOf({ layout }: ProgramValue): Layout {
    return this.#program.packed!.layouts[layout!]!;
  }

  #prepareTransform(step: TransformStep): void {
    const { values, maps } = this.#program;
    const [from, to] = [values[step.from]!, values[step.to]!];
    const planned = plannedParts(packedSubject(this.#program), step);
    const parts: PreparedPart[] = [];
    const [source, target] = [this.#layoutOf(from), this.#layoutOf(to)];
    const isLeft = this.#program.packed!.plan === 'standard';
    const options = { level: from.level, scale: to.scale / from.scale };
    forEachTransformPart(
      maps[step.map]!,
      source,
      target,
      (part, diagonals) => {
        const { groups } = planned.find((each) => each.out === part.out && each.in === part.in)!;
        parts.push({ out: part.out, in: part.in, sum: this.#sumOf(groups, 0, diagonals, options) });
      },
      isLeft,
    );
    this.#transforms.set(step.to, parts);
  }

  /** The groups behind the first `depth` steps of their paths, which all of them share. */
  #sumOf(
    groups: readonly GiantGroup[],
    depth: number,
    diagonals: ReadonlyMap<number, Float64Array>,
    options: { readonly level: number; readonly scale: number },
  ): TransformSum {
    const own = groups.find(({ path }) => path.length === depth);
    const branches = new Map<number, GiantGroup[]>();
    for (const group of groups) {
      const step = group.path[depth];
      if (step !== undefined) branches.set(step, [...(branches.get(step) ?? []), group]);
    }
    const rotated = [...branches].map(([step, behind]) => ({
      step,
      sum: this.#sumOf(behind, depth + 1, diagonals, options),
    }));
    if (own === undefined) return { rotated };
    const turn = own.path.reduce((sum, step) => sum + step, 0);
    const moved = turn === 0 ? diagonals : turned(own, turn, diagonals);
    const transform = this.#encoder.encodeLinearTransform(moved, { ...options, giants: own.giants });
    return { transform, rotated };
  }

  #takeScratch(): void {
    const { kernel, params } = this.#context;
    let [depth, level, single] = [0, 0, false];
    for (const step of this.#program.steps) {
      const own =
        step.op === 'transform'
          ? Math.max(...this.#transforms.get(step.to)!.map(({ sum }) => depthOf(sum) - 1))
          : 0;
      const isLong =
        step.op === 'rotateAdd' &&
        rotationPath(step.step, params.slots, this.#program.packed!.plan).length > 1;
      if (own > 0 || isLong) level = Math.max(level, this.#program.values[step.to]!.level);
      depth = Math.max(depth, own);
      single ||= isLong;
    }
    const count = Math.max(2 * depth, single ? 1 : 0);
    for (let i = 0; i < count; i++) this.#scratch.push(kernel.allocate(2 * (level + 1) * params.n));
  }

  /** A number per element in all of its places, zero elsewhere. */
  #prepareVectors(to: number, vectors: readonly Float64Array[], scale: number): void {
    const { level } = this.#program.values[to]!;
    this.#vectors.set(
      to,
      vectors.map((vector) => this.#encoder.encode(vector, { level, scale })),
    );
  }

  /** `scratch`: words of one ciphertext of `to`, where several ciphertexts are read. */
  transform(
    step: TransformStep,
    from: CiphertextBatch,
    to: CiphertextBatch,
    scratch: Words | undefined,
    keys: EvaluationKeys,
  ): void {
    const { kernel, ring } = this.#context;
    const written = new Set<number>();
    for (const { out, in: source, sum } of this.#transforms.get(step.to)!) {
      const target = to.at(out);
      const isFirst = !written.has(out);
      const product = isFirst ? target : new CkksCiphertext(scratch!, target.facts);
      this.#sumInto(product, from.at(source), sum, keys, 0);
      if (!isFirst) kernel.add(ring.tables, target.words, target.words, product.words, to.mods);
      written.add(out);
    }
    for (let i = 0; i < to.count; i++) if (!written.has(i)) to.at(i).words.u32().fill(0);
  }

  #sumInto(
    out: CkksCiphertext,
    from: CkksCiphertext,
    { transform, rotated }: TransformSum,
    keys: EvaluationKeys,
    depth: number,
  ): void {
    const { kernel, ring } = this.#context;
    const [inner, other] = [0, 1].map((i) => {
      const words = this.#scratch[2 * depth + i]?.sub(0, out.words.length);
      return words && new CkksCiphertext(words, out.facts);
    });
    let isWritten = false;
    const add = (work: (target: CkksCiphertext) => void): void => {
      const target = isWritten ? other! : out;
      work(target);
      if (isWritten) kernel.add(ring.tables, out.words, out.words, target.words, out.mods);
      isWritten = true;
    };
    for (const { step, sum } of rotated) {
      this.#sumInto(inner!, from, sum, keys, depth + 1);
      add((target) => this.#rotate(target.words, inner!.words, step, out.level, keys));
    }
    if (transform !== undefined)
      add((target) => linearTransformInto(target, from, transform.giantSteps, keys));
  }

  #rotate(out: Words, from: Words, step: number, level: number, keys: EvaluationKeys): void {
    const { kernel, ring, params } = this.#context;
    const element = rotationElement(params.n, step);
    const key = keys.galoisKey(element, level);
    const shape = this.#context.keySwitchShape(level, key.maxLevel);
    kernel.rotate(ring.tables, out, from, key.words(level), element, shape);
  }

  rotateAdd(
    { step }: { readonly step: number },
    from: CiphertextBatch,
    to: CiphertextBatch,
    keys: EvaluationKeys,
  ): void {
    const { kernel, ring, params } = this.#context;
    const { plan } = this.#program.packed!;
    const path = rotationPath(step, params.slots, plan);
    // Ciphertext by ciphertext: there is scratch for one.
    for (let i = 0; i < to.count; i++) {
      const [source, target] = [from.at(i).words, to.at(i).words];
      const scratch = path.length > 1 ? this.#scratch[0]!.sub(0, target.length) : target;
      let at = source;
      path.forEach((rotation, done) => {
        const out = (path.length - 1 - done) % 2 === 0 ? target : scratch;
        this.#rotate(out, at, rotation, from.level, keys);
        at = out;
      });
    }
    kernel.add(ring.tables, to.words, to.words, from.words, from.mods);
  }

  multiplyPlain(value: number, from: CiphertextBatch, to: CiphertextBatch): void {
    const { kernel, ring } = this.#context;
    this.#vectors.get(value)!.forEach(({ polynomial }, i) => {
      for (let part = 0; part < to.parts; part++)
        kernel.mul(ring.tables, to.part(i, part).words, from.part(i, part).words, polynomial.words, to.mods);
    });
  }

  /** In place. */
  addPlain(value: number, to: CiphertextBatch): void {
    const { kernel, ring } = this.#context;
    this.#vectors.get(value)!.forEach(({ polynomial }, i) => {
      const first = to.part(i, 0).words;
      kernel.add(ring.tables, first, first, polynomial.words, to.mods);
    });
  }

  [Symbol.dispose](): void {
    for (const words of this.#scratch.splice(0)) words.wipe();
    this.#arena[Symbol.dispose]();
  }
}

/** The diagonals of a group whose sum is rotated by `turn` afterwards: they begin as many slots later. */
function turned(
  { giants }: GiantGroup,
  turn: number,
  diagonals: ReadonlyMap<number, Float64Array>,
): Map<number, Float64Array> {
  const moved = new Map<number, Float64Array>();
  for (const { step, babies } of giants)
    for (const baby of babies) {
      const diagonal = diagonals.get(turn + step + baby)!;
      const slots = diagonal.length;
      moved.set(
        step + baby,
        diagonal.map((_, t) => diagonal[positiveStep(t - turn, slots)]!),
      );
    }
  return moved;
}
