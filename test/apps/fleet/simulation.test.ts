/** The simulation of a fleet against what queueing theory says where it says something. */
import { describe, expect, it } from 'vitest';
import { type SimulatedFleet, simulate } from '../../../bench/fleet/simulation.ts';
import { DEFAULT_QUEUE_RULES } from '../../../src/apps/fleet/broker/broker-settings.ts';
import { PARTITIONS } from '../../../src/apps/fleet/fleet-names.ts';

const ALONE: SimulatedFleet = {
  workers: ['a'],
  ...{ evaluationMs: [90], busyMs: 10, wayMs: 7, keyLoadMs: 0, keySets: 10, helpAfterMs: 100 },
};
const names = (count: number) => Array.from({ length: count }, (_, i) => `worker ${i}`);
/** Nobody comes twice. */
const open = (perSecond: number) => ({ kind: 'open', perSecond, queries: 1, pauseMs: 0 }) as const;
const closed = (clients: number, pauseMs = 0) =>
  ({
    kind: 'closed',
    partitions: Array.from({ length: clients }, (_, i) => i % PARTITIONS),
    pauseMs,
  }) as const;

describe('the simulation', () => {
  it('makes clients of one worker wait as long as Pollaczek and Khinchine say', () => {
    for (const share of [0.2, 0.5, 0.8]) {
      // M/D/1: service s, waiting s share / (2 (1 - share)).
      const told = 100 + (100 * share) / (2 * (1 - share)) + 7;
      const { meanMs, busy } = simulate(ALONE, open(10 * share), 40_000, 3);
      expect(meanMs / told).toBeGreaterThan(0.95);
      expect(meanMs / told).toBeLessThan(1.05);
      expect(busy).toBeCloseTo(share, 1);
    }
  });

  it('keeps as many workers busy as there are clients for', () => {
    const fleet = { ...ALONE, workers: names(4), helpAfterMs: 0, wayMs: 0 };
    expect(simulate(fleet, closed(8), 5000, 1).perSecond).toBeCloseTo(40, 0);
    expect(simulate(fleet, closed(2), 5000, 1).perSecond).toBeCloseTo(20, 0);
    expect(simulate({ ...fleet, wayMs: 100 }, closed(1), 2000, 1).perSecond).toBeCloseTo(5, 1);
  });

  it('loads keys once for each client and worker that fit, and each time where they do not', () => {
    const fleet = { ...ALONE, workers: names(1), keyLoadMs: 50 };
    expect(simulate(fleet, closed(8), 5000, 1).keyLoads).toBe(0);
    expect(simulate({ ...fleet, keySets: 4 }, closed(8), 5000, 1).keyLoads).toBe(1);
    expect(simulate({ ...fleet, keySets: 4 }, closed(8), 5000, 1).perSecond).toBeCloseTo(1000 / 150, 1);
  });

  it('refuses what would wait for too long, and what the queue has no room for', () => {
    const { refused, perSecond, p95Ms } = simulate(ALONE, open(40), 4000, 5);
    expect(perSecond).toBeCloseTo(10, 0);
    expect(refused).toBeGreaterThan(2 * 4000);
    expect(p95Ms).toBeLessThan(31_000);
    const short = simulate({ ...ALONE, evaluationMs: [1], busyMs: 0 }, open(4000), 20_000, 5);
    expect(short.p95Ms).toBeLessThan(DEFAULT_QUEUE_RULES.maxJobs + 10);
  });

  it('lets workers without queues of their own help late', () => {
    const like = { ...ALONE, helpAfterMs: 100, wayMs: 0 };
    const load = open(0.1 * 10 * 2 * PARTITIONS);
    const many = simulate({ ...like, workers: names(2 * PARTITIONS) }, load, 20_000, 2);
    const eager = simulate({ ...like, workers: names(2 * PARTITIONS), helpAfterMs: 0 }, load, 20_000, 2);
    expect(eager.p95Ms).toBeLessThan(115);
    expect(many.p95Ms).toBeGreaterThan(eager.p95Ms + 30);
  });

  it('ends when all have asked what they were to ask', () => {
    const fleet = { ...ALONE, workers: names(2), helpAfterMs: 0, wayMs: 0 };
    // Five evaluations on two workers: three turns.
    const { answers, perSecond } = simulate(fleet, { ...closed(5), queries: 5 }, 5, 1);
    expect(answers).toBe(5);
    expect(perSecond).toBeCloseTo(5 / 0.3, 6);
  });

  it('gives the same for the same seed', () => {
    expect(simulate(ALONE, open(5), 1000, 9)).toEqual(simulate(ALONE, open(5), 1000, 9));
  });
});
