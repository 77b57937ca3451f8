/**
 * What follows from a list of steps alone: noise, room below the modulus, proven bounds. Computed anew for every program that is
 * read, so that nothing rests on what a file says about itself.
 *
 * The noise estimate counts rounding at each rescaling and key switching noise of the same order, both as the variance of
 * a slot's real part, and propagates it through the largest rows and |2 z| at a third of the trained maximum. The factors of
 * other products may be nearly constant: they count at their maximum.
 */
import { type IntegerMap, largestOf, mapBounds, mapNoiseGain } from './integer-map.ts';
import type { LayerBound, StepList } from './program.ts';

/** Factors of two between the largest trained value and the modulus: hidden layers, scores. */
const HIDDEN_MARGIN = 2 ** 3;
const OUTPUT_MARGIN = 2 ** 2;

/** Shorter blocks would show the number of samples more finely than SECURITY.md says. */
export const SMALLEST_BLOCK = 128;

/** Steps in a ring: primes q_0 .. q_L and the degree n. */
export interface StepsInRing {
  readonly list: StepList;
  readonly primes: readonly number[];
  readonly n: number;
}

/** Standard deviation of the reply's error from the scheme's own noise, in score units; for `interleave` features per ciphertext. */
export function replyDeviation(subject: StepsInRing, interleave: number): number {
  const variances = slotVariances(subject, interleave);
  return Math.sqrt(variances.at(-1)!) / subject.list.values.at(-1)!.scale;
}

/** Variances in a slot: of a fresh encryption, of rounding two parts (key switching has as much), and three. */
function slotNoise(n: number): { fresh: number; rounding: number; threePartRounding: number } {
  // h = 2n/3 the expected weight of the secret; a third part meets s^2, whose coefficients have variance h^2 / n.
  const h = (2 * n) / 3;
  const rounding = (n / 2) * ((1 + h) / 12) * 2;
  return { fresh: n * 10.5, rounding, threePartRounding: (n / 2) * ((1 + h + h ** 2) / 12) * 2 };
}

/**
 * The standard deviation of the noise that each value gets from its own step, what it inherits apart, in units of the value; for
 * `interleave` features per ciphertext. A simulation adds it and lets the steps carry it on.
 */
export function noiseOfSteps({ list, n }: StepsInRing, interleave: number): Float64Array {
  const { values, steps } = list;
  const { fresh, rounding, threePartRounding } = slotNoise(n);
  const deviations = new Float64Array(values.length);
  deviations[0] = Math.sqrt(fresh) / values[0]!.scale;
  steps.forEach((step, i) => {
    let variance = 0;
    if (step.op === 'rescale') variance = values[step.from]!.parts === 3 ? threePartRounding : rounding;
    else if (step.op === 'relinearize' && steps[i + 1]?.op !== 'rescale') variance = rounding;
    else if (step.op === 'expand' && interleave > 1)
      // The query's noise is counted for one feature; together they have a part of the scale each.
      variance = (interleave - 1) * fresh + (interleave * rounding) / 2;
    deviations[step.to] = Math.sqrt(variance) / values[step.to]!.scale;
  });
  return deviations;
}

/** Per value, at its scale. */
function slotVariances({ list, primes, n }: StepsInRing, interleave: number): number[] {
  const { values, steps, maps, constants } = list;
  const h = (2 * n) / 3;
  const { fresh, rounding, threePartRounding } = slotNoise(n);
  const variances = [fresh];
  steps.forEach((step, i) => {
    const [first, second] = step.op === 'multiply' || step.op === 'add' ? [step.a, step.b] : [step.from, 0];
    const from = values[first]!;
    let variance = variances[first]!;
    if (step.op === 'linear') variance *= noiseGain(maps[step.map]!);
    else if (step.op === 'multiply') {
      const other = values[second]!;
      variance =
        first === second
          ? variance * (2 * from.scale * (from.trained / 3)) ** 2
          : variance * (other.scale * other.trained) ** 2 +
            variances[second]! * (from.scale * from.trained) ** 2;
    } else if (step.op === 'rescale') {
      variance = variance / primes[from.level]! ** 2 + (from.parts === 3 ? threePartRounding : rounding);
    } else if (step.op === 'expand' && interleave > 1) {
      // The features in one ciphertext have a part of the scale each, and a key switch for every halving.
      variance = interleave * (variance + (n / 2) * ((1 + h) / 12));
    } else if (step.op === 'relinearize' && steps[i + 1]?.op !== 'rescale') variance += rounding;
    else if (step.op === 'add') variance += variances[second]!;
    else if (step.op === 'affine' && step.multipliers !== undefined)
      variance *= largestOf(constants[step.multipliers]!) ** 2;
    variances.push(variance);
  });
  return variances;
}

/** Per product and for the reply, in the units of the layer; without proven bounds. */
function roomOfLayers({ list, primes }: StepsInRing): Omit<LayerBound, 'proven'>[] {
  const { values, steps } = list;
  const rooms: Omit<LayerBound, 'proven'>[] = [];
  for (const step of steps) {
    if (step.op !== 'multiply') continue;
    const [a, b] = [values[step.a]!, values[step.b]!];
    const isSquare = step.a === step.b;
    const logScale = isSquare ? Math.log2(a.scale) : Math.log2(a.scale * b.scale) / 2;
    const capacity = 2 ** ((logModulus(primes, a.level) - 1) / 2 - logScale);
    const trained = isSquare ? a.trained : Math.sqrt(a.trained * b.trained);
    rooms.push({ layer: rooms.length, name: a.name, trained, capacity });
  }
  const packing = steps.find((step) => step.op === 'pack')!;
  const [scores, reply] = [values[packing.from]!, values.at(-1)!];
  const capacity = 2 ** (Math.log2(primes[0]!) - 1) / reply.scale;
  rooms.push({ layer: rooms.length, name: scores.name, trained: scores.trained, capacity });
  return rooms;
}

/** True when every value keeps its margin to the modulus, between the products as well. */
export function keepsMargins(subject: StepsInRing): boolean {
  const { list, primes } = subject;
  const rooms = roomOfLayers(subject);
  const isHeld = rooms.every(
    ({ capacity, trained }, i) =>
      capacity >= trained * (i === rooms.length - 1 ? OUTPUT_MARGIN : HIDDEN_MARGIN),
  );
  if (!isHeld) return false;
  const packing = list.steps.findIndex((step) => step.op === 'pack');
  return list.values.every(({ level, scale, trained }, value) => {
    const margin = value >= packing ? OUTPUT_MARGIN : HIDDEN_MARGIN;
    const isProduct = value > 0 && list.steps[value - 1]!.op === 'multiply';
    const most = logModulus(primes, level);
    // However small its numbers are, a scale beyond the modulus is none.
    if (!(scale > 1 && Math.log2(scale) <= most)) return false;
    if (isProduct || value <= 1 || trained === 0) return true;
    return Math.log2(trained * margin * scale) <= most - 1 + 1e-9;
  });
}

/** Bounds of |value| per ciphertext, for every value and every input within `inputBound`. Walks all weights. */
export function provenBounds(
  { values, steps, maps, constants }: StepList,
  inputBound: number,
): Float64Array[] {
  const bounds: Float64Array[] = [new Float64Array(values[0]!.count).fill(inputBound)];
  for (const step of steps) {
    if (step.op === 'linear') bounds.push(mapBounds(maps[step.map]!, bounds[step.from]!));
    else if (step.op === 'multiply') {
      const b = bounds[step.b]!;
      bounds.push(bounds[step.a]!.map((bound, i) => bound * b[i]!));
    } else if (step.op === 'add') {
      const b = bounds[step.b]!;
      bounds.push(bounds[step.a]!.map((bound, i) => bound + b[i]!));
    } else if (step.op === 'pack') {
      const from = bounds[step.from]!;
      bounds.push(Float64Array.from(constants[step.places]!, (place) => from[place]!));
    } else if (step.op === 'affine') {
      const [from, to] = [values[step.from]!, values[step.to]!];
      const order = step.order === undefined ? undefined : constants[step.order]!;
      const multipliers = step.multipliers === undefined ? undefined : constants[step.multipliers]!;
      const addends = step.addends === undefined ? undefined : constants[step.addends]!;
      bounds.push(
        Float64Array.from({ length: to.count }, (_, i) => {
          const factor = multipliers === undefined ? 1 : Math.abs(multipliers[i]!) * (from.scale / to.scale);
          return factor * bounds[step.from]![order?.[i] ?? i]! + Math.abs(addends?.[i] ?? 0);
        }),
      );
    } else bounds.push(bounds[step.from]!);
  }
  return bounds;
}

/** What the range guard knows. */
export function layerBounds(subject: StepsInRing, inputBound: number): LayerBound[] {
  const { list } = subject;
  const bounds = provenBounds(list, inputBound);
  const products = list.steps.filter((step) => step.op === 'multiply');
  return roomOfLayers(subject).map((room, i) => {
    const product = products[i];
    if (product === undefined) return { ...room, proven: largestOf(bounds.at(-1)!) };
    const isSquare = product.a === product.b;
    const proven = isSquare ? largestOf(bounds[product.a]!) : Math.sqrt(largestOf(bounds[product.to]!));
    return { ...room, proven };
  });
}

/** Log2 of the modulus at a level. */
export function logModulus(primes: readonly number[], level: number): number {
  let sum = 0;
  for (let j = 0; j <= level; j++) sum += Math.log2(primes[j]!);
  return sum;
}

/** Scales are searched by many lists of the same maps. */
const GAINS = new WeakMap<IntegerMap, number>();

function noiseGain(map: IntegerMap): number {
  const gain = GAINS.get(map) ?? mapNoiseGain(map);
  GAINS.set(map, gain);
  return gain;
}
