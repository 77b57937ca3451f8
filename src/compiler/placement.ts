/**
 * Where products are relinearised and rescaled. A product leaves three parts and a doubled scale; linear maps work on these as well, so
 * both steps may wait until fewer ciphertexts are left: behind a layer of 720 inputs and 100 outputs they are done 100 times
 * instead of 720 (HEIR names it as a placement problem).
 *
 * Every product is rescaled once before the next product, so the places behind one do not change the cost of another: the
 * cheapest plan is the cheapest choice for each product, and plans in ascending order of cost are sums of choices.
 */
import { type Circuit, type CircuitOp, type CombinedTerm, valuesOf } from './circuit.ts';
import { mapProducts } from './integer-map.ts';
import { fusedSquareCost, gemmCost, keySwitchCost, rescaleCost, tensorCost } from './reference-costs.ts';

/**
 * How many linear maps stand between the product and the step; one more when it waits until the scores are packed. Nothing is
 * rescaled before it is relinearised: the rounding of a third part is multiplied by s^2, which is 70 times the noise at n = 2^13.
 */
export interface PlacementChoice {
  readonly relinearize: number;
  readonly rescale: number;
}

/** Per product, in the order of the operations. */
export type Placement = readonly PlacementChoice[];

/** A product and the linear maps that nothing but they read, up to the next product or sum. */
export interface ProductChain {
  /** Index into the operations. */
  readonly product: number;
  readonly linear: readonly number[];
  /** The chain ends with the scores, which may be packed first. */
  readonly reachesOutput: boolean;
}

export function productChains({ ops, output }: Circuit): ProductChain[] {
  const readers = new Map<number, number[]>();
  ops.forEach((op, i) => {
    for (const value of valuesOf(op)) readers.set(value, [...(readers.get(value) ?? []), i]);
  });
  return ops.flatMap((op, product) => {
    if (op.op !== 'multiply') return [];
    const linear: number[] = [];
    let value = op.to;
    for (;;) {
      const [next, ...others] = readers.get(value) ?? [];
      if (next === undefined) return [{ product, linear, reachesOutput: value === output.value }];
      if (others.length > 0 || value === output.value || ops[next]!.op !== 'linear')
        return [{ product, linear, reachesOutput: false }];
      linear.push(next);
      value = ops[next]!.to;
    }
  });
}

/**
 * How sums with real factors get them: as whole numbers that leave a larger scale (`scale`), or with a rescaling behind them, which
 * costs a level and keeps the scale (`level`).
 */
export type FactorForm = 'scale' | 'level';

/** Whether a sum is rescaled although its deepest term is not above it. */
export function spendsLevel(
  terms: readonly CombinedTerm[],
  depthOf: (value: number) => number,
  form: FactorForm,
): boolean {
  if (form === 'scale') return false;
  const deepest = Math.max(...terms.map(({ value }) => depthOf(value)));
  return terms.some(({ value, factors }) => factors !== undefined && depthOf(value) === deepest);
}

/** Rescalings on the way to each value, each product followed by one; the input has none. */
export function depthsOf({ values, ops }: Circuit, form: FactorForm): number[] {
  const depths = values.map(() => 0);
  for (const op of ops) {
    const deepest = Math.max(...valuesOf(op).map((value) => depths[value]!));
    const spends =
      op.op === 'multiply' || (op.op === 'combine' && spendsLevel(op.terms, (value) => depths[value]!, form));
    depths[op.to] = deepest + (spends ? 1 : 0);
  }
  return depths;
}

interface PricedChoice {
  readonly choice: PlacementChoice;
  readonly cost: number;
}

/** All choices for one product, cheapest first; of equal ones the later relinearisation, then the later rescaling. */
function pricedChoices(circuit: Circuit, chain: ProductChain, logN: number, level: number): PricedChoice[] {
  const last = chain.linear.length + (chain.reachesOutput ? 1 : 0);
  const choices: PricedChoice[] = [];
  for (let relinearize = last; relinearize >= 0; relinearize--)
    for (let rescale = last; rescale >= relinearize; rescale--) {
      const choice = { relinearize, rescale };
      choices.push({ choice, cost: choiceCost(circuit, chain, choice, logN, level) });
    }
  return choices.sort((a, b) => a.cost - b.cost);
}

/** Of the product at `level` and everything up to the end of its chain, in milliseconds of the reference processor. */
function choiceCost(
  { values, ops }: Circuit,
  chain: ProductChain,
  { relinearize, rescale }: PlacementChoice,
  logN: number,
  level: number,
): number {
  const product = ops[chain.product]!;
  let count = values[product.to]!.count;
  const at = { logN, level, parts: 3 };
  const isFused = relinearize === 0 && rescale === 0;
  let cost = count * (isFused ? fusedSquareCost(at) : tensorCost(at));
  const last = chain.linear.length + (chain.reachesOutput ? 1 : 0);
  for (let position = 0; position <= last; position++) {
    const op = ops[chain.linear[position - 1]!] as (CircuitOp & { op: 'linear' }) | undefined;
    if (op !== undefined) {
      cost += gemmCost(mapProducts(op.map), at);
      count = op.map.outputs;
    }
    if (position === relinearize) {
      if (!isFused) cost += count * keySwitchCost(at);
      at.parts = 2;
    }
    if (position === rescale) {
      if (!isFused) cost += count * rescaleCost(at);
      at.level -= 1;
    }
  }
  return cost;
}

/**
 * Placements in ascending order of cost, at most `limit`. `depth` is the level of the input.
 *
 * Best first: from the cheapest choice of every product, the next candidates replace one product's choice by its next dearer one.
 */
export function* placementsByCost(
  circuit: Circuit,
  logN: number,
  form: FactorForm,
  limit = 64,
): Generator<Placement> {
  const depths = depthsOf(circuit, form);
  const depth = Math.max(...depths);
  const chains = productChains(circuit).map((chain) =>
    pricedChoices(circuit, chain, logN, depth - depths[circuit.ops[chain.product]!.to]! + 1),
  );
  const open = [{ ranks: chains.map(() => 0), cost: chains.reduce((sum, list) => sum + list[0]!.cost, 0) }];
  const seen = new Set<string>();
  for (let given = 0; given < limit && open.length > 0; given++) {
    open.sort((a, b) => a.cost - b.cost);
    const { ranks, cost } = open.shift()!;
    yield ranks.map((rank, i) => chains[i]![rank]!.choice);
    ranks.forEach((rank, i) => {
      const dearer = chains[i]![rank + 1];
      if (dearer === undefined) return;
      const next = ranks.map((other, j) => (i === j ? rank + 1 : other));
      const key = next.join();
      if (seen.has(key)) return;
      seen.add(key);
      open.push({ ranks: next, cost: cost - chains[i]![rank]!.cost + dearer.cost });
    });
  }
}
