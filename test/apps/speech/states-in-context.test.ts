import { expect, test } from 'vitest';
import {
  contextOver,
  measuredTransitions,
  outputsOf,
  tiedInventory,
} from '../../../src/apps/train/states-in-context.ts';
import { DataError } from '../../../src/base/errors.ts';
import { SeededGenerator } from '../../../src/nn/index.ts';
import { alignWithScores, parseLexicon, StateInventory } from '../../../src/speech/index.ts';

const lexicon = parseLexicon('BAD\tB AE D\nBAT\tB AE T\nMAN\tM AE N\nDAB\tD AE B');
const phones = new StateInventory(lexicon, 'phone', 3);
const log = { progress: () => undefined, note: () => undefined };

function randomScores(frames: number, seed: number): Float32Array {
  const generator = new SeededGenerator(seed);
  return Float32Array.from({ length: frames * phones.stateCount }, () => generator.normal());
}

test('a network of phones aligns states in context as it aligns its own', () => {
  const context = contextOver(phones);
  expect(context.outputCount).toBe(phones.stateCount);
  for (let seed = 1; seed <= 20; seed++) {
    const scores = randomScores(40, seed);
    const own = alignWithScores([0, 2], scores, phones)!;
    const wide = alignWithScores([0, 2], scores, context)!;
    expect(wide.score).toBe(own.score);
    expect(Array.from(wide.states, (state) => context.tying[state])).toEqual(Array.from(own.states));
    for (const state of wide.states) {
      const [before, phone = 'SIL', after] = context.unitNames[context.unitOf(state)]!.split(/[-+]/);
      if (phone === 'AE') expect(['B', 'M']).toContain(before);
      if (phone === 'AE') expect(['D', 'N']).toContain(after);
    }
  }
});

test('aligned utterances tie the states, and the tied ones get their transitions', () => {
  const context = contextOver(phones);
  const alignments = Array.from({ length: 12 }, (_, i) => {
    const path = alignWithScores([i % 4, (i + 1) % 4], randomScores(300, i + 1), context);
    return i === 5 ? null : path!.states;
  });
  const generator = new SeededGenerator(3);
  const features = alignments.map((states, i) => {
    // After an odd state the filters lean the other way.
    const frames = states?.length ?? 300;
    const data = Float32Array.from({ length: frames * 40 }, (_, j) => {
      const state = states?.[Math.floor(j / 40)] ?? 0;
      return generator.normal() + (state % 2) * (j % 40) * 0.1 * (1 + (i % 2));
    });
    return { data, frames, dim: 40 };
  });
  const inventory = tiedInventory(lexicon, 3, phones.stateCount + 2, features, alignments, log);
  expect(inventory.isTied).toBe(true);
  const outputs = outputsOf(inventory, alignments);
  expect(outputs[5]).toBeNull();
  expect(Math.max(...outputs.flatMap((states) => [...(states ?? [])]))).toBeLessThan(inventory.outputCount);
  const { stay, leave } = measuredTransitions(
    inventory,
    outputs.filter((states) => states !== null),
  );
  expect(stay).toHaveLength(inventory.stateCount);
  for (const [state, value] of stay.entries())
    expect(Math.exp(value) + Math.exp(leave[state]!)).toBeCloseTo(1, 9);
  expect(() =>
    tiedInventory(
      lexicon,
      3,
      40,
      features,
      features.map(() => null),
      log,
    ),
  ).toThrow(DataError);
});
