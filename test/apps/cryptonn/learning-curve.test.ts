import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ByteReader, ByteWriter } from '../../../src/base/bytes.ts';
import { DecodeError, UsageError } from '../../../src/base/errors.ts';
import { LearningCurve } from '../../../src/apps/cryptonn/learning-curve.ts';
import {
  checkpointBytes,
  continuedCurve,
  loadCheckpoint,
  parseCheckpoint,
  saveCheckpoint,
} from '../../../src/apps/cryptonn/training-checkpoint.ts';
import { SeededGenerator } from '../../../src/nn/index.ts';

const directory = mkdtempSync(join(tmpdir(), 'subrosa-curve-'));
afterAll(() => rmSync(directory, { recursive: true }));

const generator = new SeededGenerator(3);
const MEASURED = Array.from({ length: 5000 }, () => ({
  loss: 3 * generator.uniform(),
  accuracy: generator.uniform(),
}));

function noted(curve: LearningCurve, from: number, to: number): LearningCurve {
  for (const measured of MEASURED.slice(from, to)) curve.note(measured);
  return curve;
}

function bytesOf(curve: LearningCurve): Uint8Array {
  const writer = new ByteWriter(curve.byteLength);
  curve.write(writer);
  return writer.finish();
}

/** Written and read again: what a resumed training has. */
const kept = (curve: LearningCurve, steps: number) =>
  LearningCurve.read(new ByteReader('a curve', bytesOf(curve)), steps);

test('however often a training stops, its curve is that of one that never did', () => {
  for (const stops of [[0], [1], [1023, 1024, 1025], [700, 2047, 2048, 4500, 4999]]) {
    let curve = new LearningCurve();
    let at = 0;
    for (const stop of stops) {
      curve = kept(noted(curve, at, stop), stop);
      at = stop;
    }
    const whole = noted(new LearningCurve(), 0, 5000);
    expect(noted(curve, at, 5000).points(64)).toEqual(whole.points(64));
    expect(bytesOf(curve)).toEqual(bytesOf(whole));
  }
});

test('a step that is lost or noted twice changes the curve (positive control)', () => {
  const whole = noted(new LearningCurve(), 0, 2000).points(64);
  expect(noted(kept(noted(new LearningCurve(), 0, 900), 900), 901, 2000).points(64)).not.toEqual(whole);
  expect(noted(kept(noted(new LearningCurve(), 0, 900), 900), 899, 2000).points(64)).not.toEqual(whole);
});

test('points are bounded, evenly spaced from the first samples to the last; the first measurement is not smoothed', () => {
  for (const steps of [1, 10, 1023, 1024, 1500, 5000]) {
    const curve = noted(new LearningCurve(), 0, steps);
    const points = curve.points(10);
    expect(points.at(-1)).toEqual({ samples: 10 * steps, ...curve.latest });
    expect(points.length).toBeGreaterThan(Math.min(steps, 500) - 1);
    expect(points.length).toBeLessThan(1025);
    expect(curve.byteLength).toBeLessThan(17_000);
    const first = points[0]!.samples;
    for (const [i, { samples }] of points.slice(0, -1).entries()) expect(samples).toBe((i + 1) * first);
  }
  expect(noted(new LearningCurve(), 0, 2).points(1)[0]).toEqual({ samples: 1, ...MEASURED[0] });
  expect(new LearningCurve().points(64)).toEqual([]);
});

const PLAN = 'c3'.repeat(32);
const stopped = (step: number) => ({
  ...{ plan: PLAN, step, keys: 5, seen: { entries: 2, hash: '7a'.repeat(32) } },
  curve: noted(new LearningCurve(), 0, step),
  trainer: Uint8Array.of(1, 2, 3),
});

test('a checkpoint keeps the curve; short, long and impossible ones are refused', async () => {
  const file = join(directory, 'x.checkpoint');
  await saveCheckpoint(file, stopped(30));
  const read = await loadCheckpoint(file, PLAN);
  expect(read).toEqual(stopped(30));
  expect(continuedCurve(read, 30).points(64)).toEqual(stopped(30).curve.points(64));
  expect(() => continuedCurve(read, 31)).toThrow(DecodeError);
  await expect(loadCheckpoint(file, 'd4'.repeat(32))).rejects.toThrow(UsageError);
  const bytes = checkpointBytes(stopped(30));
  for (let length = 0; length < bytes.length - 3; length++)
    expect(() => parseCheckpoint(bytes.subarray(0, length))).toThrow(DecodeError);
  const curveAt = bytes.length - 3 - stopped(30).curve.byteLength;
  const changed = (edit: (view: DataView) => void) => {
    const copy = bytes.slice();
    edit(new DataView(copy.buffer, curveAt));
    return () => parseCheckpoint(copy);
  };
  expect(changed((view) => view.setUint32(0, 31, true))).toThrow(/begins after its last step/);
  expect(changed((view) => view.setFloat64(4, -1, true))).toThrow(/negative loss/);
  for (const accuracy of [-0.1, 1.1, Number.NaN])
    expect(changed((view) => view.setFloat64(4 + 16 * 9 + 8, accuracy, true))).toThrow(/impossible accuracy/);
  expect(changed(() => undefined)).not.toThrow();
});

test('a checkpoint of the version before is continued; its curve begins where it ends', async () => {
  const file = join(directory, 'old.checkpoint');
  // The same bytes without the curve.
  const bytes = checkpointBytes({ ...stopped(30), curve: new LearningCurve() });
  const old = Uint8Array.from([...bytes.subarray(0, -3 - 20), ...bytes.subarray(-3)]);
  old[4] = 1;
  writeFileSync(file, old);
  const read = await loadCheckpoint(file, PLAN);
  const curve = noted(continuedCurve(read, 30), 30, 32);
  expect(curve.from).toBe(30);
  expect(curve.points(10).map(({ samples }) => samples)).toEqual([310, 320]);
  expect(curve.points(10)[0]).toEqual({ samples: 310, ...MEASURED[30] });
  expect(read!.trainer).toEqual(Uint8Array.of(1, 2, 3));
  old[4] = 3;
  expect(() => parseCheckpoint(old)).toThrow(/unknown version/);
  expect(await loadCheckpoint(join(directory, 'none'), PLAN)).toBeNull();
});
