/** What one request of a batch program takes in its smallest bucket, on one thread of the reference processor: to compare layouts by. */
import { mapProducts } from './integer-map.ts';
import { countIn, type Program } from './program.ts';
import { gemmCost, keySwitchCost, passCost, rescaleCost, tensorCost } from './reference-costs.ts';

/** Milliseconds. */
export function batchCost(program: Program): number {
  const { values, steps, maps, params, outputs } = program;
  const bucket = program.buckets[0]!;
  let cost = 0;
  for (const step of steps) {
    const from = values[step.op === 'multiply' || step.op === 'add' ? step.a : step.from]!;
    const at = { logN: params.logN, level: from.level, parts: from.parts };
    const count = countIn(program, step.to, bucket);
    if (step.op === 'expand')
      cost += countIn(program, 0, bucket) * (bucket.interleave - 1) * keySwitchCost(at);
    else if (step.op === 'linear') cost += gemmCost(mapProducts(maps[step.map]!), at);
    else if (step.op === 'multiply') cost += count * tensorCost(at);
    else if (step.op === 'relinearize') cost += count * keySwitchCost(at);
    else if (step.op === 'rescale') cost += count * rescaleCost(at);
    else cost += (step.op === 'pack' ? outputs : count) * passCost(at);
  }
  return cost;
}
