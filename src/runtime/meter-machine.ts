/** Counts what the encrypted machine will do, step by step, without a key: numbers of operations, memory, time on the reference processor. */
import { mapProducts } from '../compiler/integer-map.ts';
import type { Bucket } from '../compiler/offer.ts';
import { packedSubject, plannedParts, rotationsIn } from '../compiler/packed/packed-analysis.ts';
import { countIn, type PlannedProgram, type Step, type StepList } from '../compiler/program.ts';
import { fuseSteps } from '../compiler/memory-plan.ts';
import {
  fusedSquareCost,
  gemmCost,
  keySwitchCost,
  passCost,
  rescaleCost,
  tensorCost,
} from '../compiler/reference-costs.ts';
import { runSteps, type StepHandlers } from './run-steps.ts';

/** One step in one bucket. */
export interface MeteredStep {
  readonly op: Step['op'];
  readonly name: string;
  /** Ciphertexts of the result, their parts and level. */
  readonly count: number;
  readonly parts: number;
  readonly level: number;
  readonly keySwitches: number;
  /** Integer multiply-adds on residues. */
  readonly multiplyAdds: number;
  /** One thread of the reference processor; see reference-costs.ts. */
  readonly referenceMs: number;
}

export function meterProgram(program: PlannedProgram & StepList, bucket: Bucket): MeteredStep[] {
  const { values, steps, maps } = program;
  const { logN } = program.params;
  const n = 2 ** logN;
  const metered: MeteredStep[] = [];
  /** Relinearisations and rescalings that are part of one call with the product before them. */
  const inside = new Set<number>();
  const fusedProducts = new Set<number>();
  for (const { kind, first, last } of fuseSteps(program)) {
    if (kind !== 'square-rescale' && kind !== 'linear-square-rescale') continue;
    const product = kind === 'square-rescale' ? first : first + 1;
    fusedProducts.add(product);
    for (let step = product + 1; step <= last; step++) inside.add(step);
  }
  const add = (step: Step, work: Partial<MeteredStep>) => {
    const { name, parts, level } = values[step.to]!;
    const count = countIn(program, step.to, bucket);
    metered.push({
      op: step.op,
      name,
      count,
      parts,
      level,
      keySwitches: 0,
      multiplyAdds: 0,
      referenceMs: 0,
      ...work,
    });
  };
  const specials = program.params.logP.length;
  const at = (value: number) => {
    const { level, parts } = values[value]!;
    return { logN, level, parts, specials };
  };
  const passes = (step: Step, times: number) =>
    add(step, { referenceMs: times * countIn(program, step.to, bucket) * passCost(at(step.to)) });
  const handlers: StepHandlers = {
    expand: (step) => {
      const keySwitches = countIn(program, 0, bucket) * (bucket.interleave - 1);
      add(step, {
        keySwitches,
        referenceMs: keySwitches * (keySwitchCost(at(step.to)) + 3 * passCost(at(step.to))),
      });
    },
    linear: (step) => {
      const { parts, level } = values[step.to]!;
      const products = mapProducts(maps[step.map]!);
      add(step, {
        multiplyAdds: products * parts * (level + 1) * n,
        referenceMs: gemmCost(products, at(step.to)),
      });
    },
    multiply: (step) => {
      const count = countIn(program, step.to, bucket);
      const isFused = fusedProducts.has(step.to - 1);
      add(step, {
        keySwitches: isFused ? count : 0,
        referenceMs: count * (isFused ? fusedSquareCost(at(step.to)) : tensorCost(at(step.to))),
      });
    },
    relinearize: (step) => {
      const count = countIn(program, step.to, bucket);
      const isInside = inside.has(step.to - 1);
      add(step, isInside ? {} : { keySwitches: count, referenceMs: count * keySwitchCost(at(step.from)) });
    },
    rescale: (step) => {
      const count = countIn(program, step.to, bucket);
      add(step, inside.has(step.to - 1) ? {} : { referenceMs: count * rescaleCost(at(step.from)) });
    },
    lower: (step) => passes(step, 1),
    affine: (step) => passes(step, step.multipliers === undefined ? 1 : 2),
    add: (step) => passes(step, 1),
    transform: (step) => {
      const parts = plannedParts(packedSubject(program), step);
      add(step, {
        keySwitches: parts.reduce((sum, { keySwitches }) => sum + keySwitches, 0),
        referenceMs: parts.reduce((sum, { cost }) => sum + cost, 0),
      });
    },
    rotateAdd: (step) => {
      const count = countIn(program, step.to, bucket);
      const turns = rotationsIn(packedSubject(program), step.step);
      const cost = turns * keySwitchCost(at(step.to)) + passCost(at(step.to));
      add(step, { keySwitches: count * turns, referenceMs: count * cost });
    },
    multiplyPlain: (step) => passes(step, 1),
    addPlain: (step) => passes(step, 1),
    // Which coefficients are sent: the reply is written in any case.
    trace: (step) => add(step, {}),
    pack: (step) => add(step, { referenceMs: program.outputs * passCost(at(step.to)) }),
  };
  runSteps({ steps }, handlers);
  return metered;
}
