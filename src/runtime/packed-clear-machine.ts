/** Runs a packed program on slots in the clear, one sample after another: rotations, diagonals and vectors as the ciphertexts will meet them. */
import { addendVectors, elementsOf, type Layout, slotVectors } from '../compiler/packed/layout.ts';
import { forEachTransformPart, type TransformPart } from '../compiler/packed/rotations.ts';
import type { Program } from '../compiler/program.ts';
import { type EvaluationControl, NO_BATCH_STEPS, runSteps, type StepHandlers } from './run-steps.ts';

export interface ClearOptions extends EvaluationControl {
  /** Sees every value, `[ciphertexts, samples]`; of packed programs `[ciphertexts, slots]`, once per sample. */
  readonly observe?: (value: number, slots: Float64Array) => void;
}

interface ClearPart extends TransformPart {
  readonly diagonals: ReadonlyMap<number, Float64Array>;
}

/** Scores `[samples, outputs]` of whole samples. @param seen what becomes of an input before it is encrypted. */
export function runPackedClear(
  program: Program,
  inputs: ArrayLike<number>,
  seen: (value: number) => number,
  options: ClearOptions,
): Float64Array {
  const width = program.inputs;
  const samples = inputs.length / width;
  const machine = new PackedClearMachine(program);
  const scores = new Float64Array(samples * program.outputs);
  for (let t = 0; t < samples; t++) {
    const sample = Array.from({ length: width }, (_, i) => seen(inputs[t * width + i]!));
    scores.set(machine.run(sample, options), t * program.outputs);
  }
  return scores;
}

class PackedClearMachine {
  readonly #program: Program;
  readonly #parts = new Map<number, ClearPart[]>();

  constructor(program: Program) {
    this.#program = program;
    for (const step of program.steps) {
      if (step.op !== 'transform') continue;
      const parts: ClearPart[] = [];
      const map = program.maps[step.map]!;
      forEachTransformPart(
        map,
        this.#layoutOf(step.from),
        this.#layoutOf(step.to),
        (part, diagonals) => {
          parts.push({ ...part, diagonals });
        },
        program.packed!.plan === 'standard',
      );
      this.#parts.set(step.to, parts);
    }
  }

  #layoutOf(value: number): Layout {
    return this.#program.packed!.layouts[this.#program.values[value]!.layout!]!;
  }

  run(sample: readonly number[], options: ClearOptions): Float64Array {
    const { values, constants, steps, outputs } = this.#program;
    const slots: Float64Array[] = [];
    const put = (value: number, made: Float64Array): void => {
      slots[value] = made;
      options.observe?.(value, made);
    };
    put(0, joined(slotVectors(this.#layoutOf(0), sample)));
    const copy = ({ from, to }: { readonly from: number; readonly to: number }): void =>
      put(to, slots[from]!.slice());
    const between = (
      a: Float64Array,
      b: ArrayLike<number>,
      of: (x: number, y: number) => number,
    ): Float64Array => a.map((value, i) => of(value, b[i]!));
    const vector = (value: number, constant: number): Float64Array =>
      joined(slotVectors(this.#layoutOf(value), constants[constant]!));
    const handlers: StepHandlers = {
      ...NO_BATCH_STEPS,
      relinearize: copy,
      rescale: copy,
      lower: copy,
      multiply: ({ a, b, to }) =>
        put(
          to,
          between(slots[a]!, slots[b]!, (x, y) => x * y),
        ),
      add: ({ a, b, to }) =>
        put(
          to,
          between(slots[a]!, slots[b]!, (x, y) => x + y),
        ),
      transform: ({ from, to }) => put(to, this.#transformed(slots[from]!, to, values[to]!.count)),
      rotateAdd: ({ from, to, step }) => {
        const each = this.#layoutOf(from).slots;
        const source = slots[from]!;
        const rotated = source.map((_, i) => source[i - (i % each) + ((i + step) % each)]!);
        put(
          to,
          between(source, rotated, (x, y) => x + y),
        );
      },
      multiplyPlain: ({ from, to, factors }) =>
        put(
          to,
          between(slots[from]!, vector(to, factors), (x, y) => x * y),
        ),
      addPlain: ({ from, to, addends }) =>
        put(
          to,
          between(
            slots[from]!,
            joined(addendVectors(this.#layoutOf(to), constants[addends]!)),
            (x, y) => x + y,
          ),
        ),
      trace: ({ from, to }) => put(to, traced(slots[from]!, this.#layoutOf(from))),
    };
    runSteps(this.#program, handlers, options);
    return elementsOf(this.#layoutOf(steps.length), slots[steps.length]!).slice(0, outputs);
  }

  #transformed(source: Float64Array, to: number, count: number): Float64Array {
    const { slots } = this.#layoutOf(to);
    const out = new Float64Array(count * slots);
    for (const part of this.#parts.get(to)!) {
      const [read, write] = [part.in * slots, part.out * slots];
      for (const [step, diagonal] of part.diagonals)
        for (let t = 0; t < slots; t++)
          // Nothing times a zero weight, whatever stands there.
          if (diagonal[t] !== 0)
            out[write + t]! += diagonal[t]! * source[read + ((t + step + slots) % slots)]!;
    }
    return out;
  }
}

/** The mean over all places a period apart, junk included, times the sums, in each of these places. */
function traced(source: Float64Array, { period, sums }: Layout): Float64Array {
  const means = new Float64Array(period);
  source.forEach((value, t) => {
    means[t % period]! += (value * sums * period) / source.length;
  });
  return source.map((_, t) => means[t % period]!);
}

function joined(vectors: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(vectors.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const vector of vectors) {
    all.set(vector, at);
    at += vector.length;
  }
  return all;
}
