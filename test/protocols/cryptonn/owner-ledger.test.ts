/** What an owner lets out of its data counts per source, over all data sets; and what it has to be asked for. */
import { describe, expect, test } from 'vitest';
import { DecodeError, InvalidParamsError } from '../../../src/base/errors.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { approverKey, signApproval } from '../../../src/protocols/cryptonn/agreement/dataset-approvals.ts';
import {
  approvalText,
  type DatasetSpec,
  datasetDigest,
  parseDatasetSpec,
  parseUnapprovedSpec,
} from '../../../src/protocols/cryptonn/agreement/dataset-spec.ts';
import { assertConsent, risksOf } from '../../../src/protocols/cryptonn/owner/owner-consent.ts';
import { OwnerLedger } from '../../../src/protocols/cryptonn/owner/owner-ledger.ts';

const FEATURES = 100;
/** rankBudget(100, 100, 1, 0.25) is 15. */
const [RANK, BUDGET] = [6, 15];

function specOf(id: string, rank = RANK, more: object = {}): DatasetSpec {
  return parseUnapprovedSpec({
    ...{ id, scheme: 'lattice', mode: 'projected', features: FEATURES, classes: 10, batch: 8 },
    ...{ inputScale: 100, inputBound: 100 },
    projection: {
      rank,
      seed: Buffer.from(systemRandom.seed()).toString('hex'),
      budgetShare: 0.25,
      approvedBy: [],
      ...more,
    },
  });
}

const faithful = parseDatasetSpec({
  ...{ id: 'open', scheme: 'lattice', mode: 'faithful', features: FEATURES, classes: 10, batch: 8 },
  ...{ inputScale: 100, inputBound: 100 },
  faithful: { acknowledged: 'I understand what leaks', weightBound: 127, gradientBound: 127 },
});

function samples(seed: number, count: number): Int32Array {
  const generator = new SeededGenerator(seed);
  return Int32Array.from({ length: count * FEATURES }, () => generator.below(101));
}
const rows = (inputs: Int32Array, ...which: number[]) =>
  Int32Array.from(which.flatMap((i) => [...inputs.subarray(i * FEATURES, (i + 1) * FEATURES)]));

const data = samples(1, 40);

describe('the ledger', () => {
  test('eight data sets within the budget each: the third is refused, and every one after it', () => {
    const ledger = OwnerLedger.create(systemRandom);
    const outcomes = Array.from({ length: 8 }, (_, i) => {
      try {
        return ledger.approve(specOf(`set-${i}`), data).rank;
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidParamsError);
        return 'refused';
      }
    });
    expect(outcomes).toEqual([RANK, 2 * RANK, ...Array(6).fill('refused')]);
    // Control: without the ledger's memory each of them is within the budget.
    expect(OwnerLedger.create(systemRandom).approve(specOf('again'), data).rank).toBe(RANK);
  });

  test('the same projection again raises nothing', () => {
    const ledger = OwnerLedger.create(systemRandom);
    const spec = specOf('set', BUDGET);
    ledger.approve(spec, data);
    const review = ledger.approve(spec, data);
    expect(review).toMatchObject({ rankBefore: BUDGET, rank: BUDGET, encryptions: 1, datasets: ['set'] });
  });

  test.each([
    ['a subset', rows(data, 7)],
    ['another order', rows(data, 5, 3, 1, 30)],
    ['another scale', rows(data, 2, 3).map((value) => Math.round(value * 0.6))],
    ['the negative', rows(data, 8).map((value) => 100 - value)],
    ['another sign and offset', rows(data, 9).map((value) => 7 - value)],
    ['some of it among other data', Int32Array.from([...samples(9, 20), ...rows(data, 11)])],
  ])('%s is the same source', (_name, inputs) => {
    const ledger = OwnerLedger.create(systemRandom);
    ledger.approve(specOf('first', BUDGET), data);
    expect(ledger.review(specOf('second'), inputs)).toMatchObject({ rankBefore: BUDGET });
    expect(() => ledger.approve(specOf('second'), inputs)).toThrow(/over the budget of 15/);
  });

  test('a little noise in the values leaves enough fingerprints of many samples', () => {
    const ledger = OwnerLedger.create(systemRandom);
    const smooth = samples(3, 400).map((value) => (value > 55 || value < 45 ? value : 100));
    ledger.approve(specOf('first', BUDGET), smooth);
    const generator = new SeededGenerator(4);
    const noisy = smooth.map((value) => Math.max(0, Math.min(100, value + generator.below(5) - 2)));
    expect(() => ledger.approve(specOf('second'), noisy)).toThrow(/over the budget/);
  });

  test('documented limit: halves of the columns, chosen in several ways, evade the ledger', () => {
    const half = FEATURES / 2;
    /** Those columns of the samples that `isIn` keeps, as a data set of its own would have them. */
    const columns = (isIn: (column: number) => boolean) => data.filter((_, i) => isIn(i % FEATURES));
    const cuts: ((column: number) => boolean)[] = [
      (column) => column < half,
      (column) => column % 2 === 0,
      (column) => column % 4 < 2,
    ];
    const part = (id: string, rank: number): DatasetSpec =>
      parseUnapprovedSpec({ ...specOf(id, rank), features: half });
    const ledger = OwnerLedger.create(systemRandom);
    // rankBudget(50, 100, 1, 0.25)
    const most = 7;
    const ranks = cuts.flatMap((cut, i) => [
      ledger.approve(part(`half-${i}`, most), columns(cut)).rank,
      ledger.approve(
        part(`rest-${i}`, most),
        columns((column) => !cut(column)),
      ).rank,
    ]);
    // The attacker wins: six sources of their own, whose products together have almost thrice the rank that one source may give.
    expect(ranks).toEqual(Array(6).fill(most));
    expect(6 * most).toBeGreaterThan(2.5 * BUDGET);
    // Control: the same half again is known. What evades is the choice of columns, not a ledger that forgets.
    expect(() => ledger.approve(part('again', most), columns(cuts[1]!))).toThrow(/over the budget of 7/);
  });

  test('other data is another source, until something joins the two', () => {
    const ledger = OwnerLedger.create(systemRandom);
    ledger.approve(specOf('first', 10), data);
    const other = samples(2, 40);
    expect(ledger.approve(specOf('second', 10), other)).toMatchObject({ rankBefore: 0, rank: 10 });
    // Constant samples are everybody's and join nothing.
    expect(ledger.review(specOf('x'), new Int32Array(FEATURES).fill(50)).rankBefore).toBe(0);
    const both = Int32Array.from([...rows(data, 0), ...rows(other, 0)]);
    expect(ledger.review(specOf('third'), both)).toMatchObject({ rankBefore: 20, encryptions: 2 });
  });

  test('survives its bytes, with which another owner recognises nothing, and refuses damaged ones', () => {
    const ledger = OwnerLedger.create(systemRandom);
    ledger.approve(specOf('first', BUDGET), data);
    const again = OwnerLedger.fromBytes(ledger.toBytes());
    expect(() => again.approve(specOf('second'), rows(data, 4))).toThrow(InvalidParamsError);
    const text = new TextDecoder().decode(ledger.toBytes());
    const stranger = text.replace(/"key":"[0-9a-f]{64}"/, `"key":"${'ab'.repeat(32)}"`);
    const other = OwnerLedger.fromBytes(new TextEncoder().encode(stranger));
    expect(other.review(specOf('second'), data).rankBefore).toBe(0);
    for (const bad of ['', '{}', text.slice(0, -1), text.replace('"projected"', '"other"')])
      expect(() => OwnerLedger.fromBytes(new TextEncoder().encode(bad))).toThrow(DecodeError);
  });

  test('faithful training gives everything away: refused unless it is understood, and then nothing is left to count', () => {
    const ledger = OwnerLedger.create(systemRandom);
    expect(() => ledger.approve(faithful, data)).toThrow(InvalidParamsError);
    expect(ledger.approve(faithful, data, true).rank).toBe(FEATURES);
    expect(ledger.review(specOf('later'), data)).toMatchObject({ rankBefore: FEATURES, rank: FEATURES });
  });

  test('counts noise: repeated encryptions average it, and one without it undoes it', () => {
    const noise = { noise: { sigma: 100, delta: 1e-6 } };
    const ledger = OwnerLedger.create(systemRandom);
    const spec = specOf('noisy', RANK, noise);
    for (let i = 0; i < 3; i++) ledger.approve(spec, data);
    expect(ledger.review(spec, data).sigma).toBeCloseTo(50);
    const bare = { ...spec, projection: { ...spec.projection!, noise: undefined } };
    expect(ledger.review(parseUnapprovedSpec(JSON.parse(JSON.stringify(bare))), data)).toMatchObject({
      ...{ sigma: 0, losesNoise: true, rank: RANK },
    });
  });
});

describe('consent', () => {
  test('is needed for faithful mode, a larger share, and less noise than promised; and pins the specification', () => {
    const plain = specOf('plain');
    assertConsent(plain, {});
    assertConsent(plain, { expectedDigest: datasetDigest(plain) });
    expect(() => assertConsent(plain, { expectedDigest: '0'.repeat(64) })).toThrow(/expected/);
    const noisy = specOf('noisy', RANK, { noise: { sigma: 100, delta: 1e-6 } });
    assertConsent(noisy, { promisedNoise: 100 });
    const asked = specOf('large', 30, { budgetShare: 0.9 });
    const signed = [1, 2].map((value) =>
      signApproval(approvalText(asked), `a${value}`, new Uint8Array(32).fill(value)),
    );
    const large = parseDatasetSpec({ ...asked, projection: { ...asked.projection, approvedBy: signed } });
    expect(signed[0]?.key).toBe(approverKey(new Uint8Array(32).fill(1)));
    for (const [spec, promisedNoise, risk] of [
      [faithful, 0, /every value/],
      [large, 0, /0.9/],
      [noisy, 200, /200 was promised, it has 100/],
      [plain, 1, /has none/],
    ] as const) {
      expect(risksOf(spec, promisedNoise).join()).toMatch(risk);
      expect(() => assertConsent(spec, { promisedNoise })).toThrow(risk);
      assertConsent(spec, { promisedNoise, understandsWhatLeaks: true });
    }
  });
});
