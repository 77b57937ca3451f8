/**
 * Ten thousand requests over a wire that loses, repeats, delays, swaps, cuts and changes messages: exact results or typed errors.
 * `EDGE_REQUESTS=n` asks for fewer.
 */
import { expect, test } from 'vitest';
import { SubrosaError } from '../../../src/base/errors.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { evaluateIntegerNetwork } from '../../../src/nn/integer/integer-evaluate.ts';
import { sharing } from '../../../src/protocols/edge/construction.ts';
import { EdgeDevice } from '../../../src/protocols/edge/device.ts';
import { edgePair, memoryLink, mixedNetwork, plainApply, randomInt8, type Tap } from './edge-pair.ts';

const REQUESTS = Number(process.env['EDGE_REQUESTS'] ?? 10_000);
/** Of each kind of fault per message: about half of all requests see one. */
const RATE = 0.01;
/** What a device waits for an answer that was lost. */
const PATIENCE_MS = 40;

const FAULTS = ['lose', 'repeat', 'hold', 'cut', 'change'] as const;

/** `hold` delays a message until the next one has passed: that is out of order, too. */
function faulty(generator: SeededGenerator, counts: Map<string, number>): Tap {
  const held: Partial<Record<'up' | 'down', Uint8Array>> = {};
  return (message, direction) => {
    const fault = FAULTS[Math.floor(generator.uniform() / RATE)];
    const late = held[direction];
    delete held[direction];
    const after = late === undefined ? [] : [late];
    if (fault === undefined) return [message, ...after];
    counts.set(fault, (counts.get(fault) ?? 0) + 1);
    if (fault === 'hold') held[direction] = message.slice();
    if (fault === 'lose' || fault === 'hold') return after;
    if (fault === 'repeat') return [message, message, ...after];
    if (fault === 'cut') return [message.subarray(0, message.length >> 1), ...after];
    return [message.map((byte, i) => (i === message.length >> 1 ? byte ^ 4 : byte)), ...after];
  };
}

test.each([false, true])(
  'no wrong result and no untyped error, relay %s',
  async (relay) => {
    const network = mixedNetwork(2);
    const setup = await edgePair(network, { device: { construction: sharing(relay) } });
    const generator = new SeededGenerator(23);
    const faults = new Map<string, number>();
    const outcomes = new Map<string, number>();
    const count = (outcome: string) => void outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    let device: EdgeDevice | null = null;
    for (let request = 0; request < REQUESTS / 2; request++) {
      const input = Int32Array.from(randomInt8(generator, network.inputs));
      try {
        device ??= await EdgeDevice.connect(
          memoryLink(setup.a, faulty(generator, faults), PATIENCE_MS),
          memoryLink(setup.b, faulty(generator, faults), PATIENCE_MS),
          setup.device,
        );
        const { outputs } = await device.infer(input);
        const clear = evaluateIntegerNetwork(network, input, plainApply);
        count(outputs.every((value, i) => value === clear[i]) ? 'exact' : 'wrong');
      } catch (error) {
        device?.close();
        device = null;
        count(error instanceof SubrosaError ? error.code : 'untyped');
      }
    }
    device?.close();
    process.stderr.write(`relay ${relay}: ${JSON.stringify(Object.fromEntries([...outcomes, ...faults]))}\n`);
    expect([...outcomes.keys()].sort()).toEqual(['exact', 'protocol', 'transport']);
    expect(outcomes.get('exact')).toBeGreaterThan(REQUESTS / 10);
    for (const fault of FAULTS) expect(faults.get(fault)).toBeGreaterThan(REQUESTS / 500);
  },
  1_800_000,
);
