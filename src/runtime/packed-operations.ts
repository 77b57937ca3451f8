/**
 * The steps of packed programs on ciphertexts: transforms by encoded diagonals, rotations with additions, products with and additions of
 * vectors of slots. Vectors are encoded once, when the machine is made.
 */
import { addendVectors, type Layout, slotVectors } from '../compiler/packed/layout.ts';
import { packedSubject, plannedParts } from '../compiler/packed/packed-analysis.ts';
import { forEachTransformPart } from '../compiler/packed/rotations.ts';
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
  readonly transform: LinearTransform;
}

export class PackedOperations implements Disposable {
  readonly #program: Program;
  readonly #context: CkksContext;
  readonly #arena: Arena;
  #encoder!: CkksEncoder;
  /** By the value that a step makes. */
  readonly #transforms = new Map<number, PreparedPart[]>();
  readonly #vectors = new Map<number, CkksPlaintext[]>();

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
    } catch (error) {
      this.#arena[Symbol.dispose]();
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
    forEachTransformPart(maps[step.map]!, this.#layoutOf(from), this.#layoutOf(to), (part, diagonals) => {
      const { split } = planned.find((each) => each.out === part.out && each.in === part.in)!;
      const transform = this.#encoder.encodeLinearTransform(diagonals, {
        ...{ level: from.level, scale: to.scale / from.scale, giants: split.giants },
      });
      parts.push({ out: part.out, in: part.in, transform });
    });
    this.#transforms.set(step.to, parts);
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
    for (const { out, in: source, transform } of this.#transforms.get(step.to)!) {
      const target = to.at(out);
      const isFirst = !written.has(out);
      const product = isFirst ? target : new CkksCiphertext(scratch!, target.facts);
      linearTransformInto(product, from.at(source), transform.giantSteps, keys);
      if (!isFirst) kernel.add(ring.tables, target.words, target.words, product.words, to.mods);
      written.add(out);
    }
    for (let i = 0; i < to.count; i++) if (!written.has(i)) to.at(i).words.u32().fill(0);
  }

  rotateAdd(
    { step }: { readonly step: number },
    from: CiphertextBatch,
    to: CiphertextBatch,
    keys: EvaluationKeys,
  ): void {
    const { kernel, ring, params } = this.#context;
    const element = rotationElement(params.n, step);
    const key = keys.galoisKey(element, from.level);
    const shape = this.#context.keySwitchShape(from.level, key.maxLevel);
    kernel.rotate(ring.tables, to.words, from.words, key.words(from.level), element, shape);
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
    this.#arena[Symbol.dispose]();
  }
}
