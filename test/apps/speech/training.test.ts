import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { storedAlignments, writeAlignments } from '../../../src/apps/train/alignment-store.ts';
import { FrameSet } from '../../../src/apps/train/frame-set.ts';
import { InputPerturbation } from '../../../src/apps/train/input-perturbation.ts';
import { freshNetwork, trainNetwork } from '../../../src/apps/train/network-training.ts';
import type { NetworkRun } from '../../../src/apps/train/network-training.ts';
import { stretchLabels } from '../../../src/apps/train/preparation.ts';
import { planFor, quadraticSpecs, reluSpecs } from '../../../src/apps/train/task-plan.ts';
import { SILENT_LOG } from '../../../src/apps/train/training-log.ts';
import type { TrainingLog } from '../../../src/apps/train/training-log.ts';
import { plainMatrixMultiply, SeededGenerator } from '../../../src/nn/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'subrosa-training-'));
afterAll(() => rmSync(folder, { recursive: true }));

const context = { left: 1, right: 1, coefficients: 2 };
const DIM = 4;
const STATES = 6;
const SILENT = 2;

/** Utterances whose frames lie near one of six points, the label being which. */
function toyFrames(): FrameSet {
  const generator = new SeededGenerator(4);
  const centres = Array.from({ length: STATES }, () => Array.from({ length: DIM }, () => generator.normal()));
  const features = [];
  const labels = [];
  for (let u = 0; u < 6; u++) {
    const frames = 30 + u;
    const states = Uint16Array.from({ length: frames }, (_, t) => Math.floor((t * STATES) / frames));
    const data = new Float32Array(frames * DIM);
    for (let i = 0; i < data.length; i++) {
      data[i] = centres[states[Math.floor(i / DIM)]][i % DIM] + 0.2 * generator.normal();
    }
    features.push({ data, frames, dim: DIM });
    labels.push(states);
  }
  const inputs = DIM * context.coefficients;
  const normalization = {
    mean: new Float32Array(inputs),
    inverseDeviation: new Float32Array(inputs).fill(1),
  };
  return new FrameSet(features, labels, context, normalization, 'utterance');
}

const frames = toyFrames();
const perturbation = { warp: 0.05, mask: 1, noise: 0.05 };
const drawnFrom = (seed: number) => (epoch: number) =>
  frames.draw(seed + 1000 * (epoch + 1), SILENT, 0.5, 100, perturbation);

function toyRun(name: string): NetworkRun {
  const specs = reluSpecs('dnn', { dense: [8, 8], filters: 2, convDense: [8] }, STATES);
  return {
    name,
    epochs: 3,
    batch: 16,
    rate: 5e-3,
    weightDecay: 1e-2,
    labelSmoothing: 0.05,
    seed: 3,
    start: () => freshNetwork([2, 1, DIM], specs, plainMatrixMultiply, 1),
  };
}

describe('training of one network', () => {
  it('ends with the same bits when it was interrupted after an epoch', () => {
    const straight = join(folder, 'straight');
    trainNetwork(toyRun('net'), drawnFrom(3), plainMatrixMultiply, straight, SILENT_LOG);
    const broken = join(folder, 'broken');
    let epochs = 0;
    const powerCut: TrainingLog = {
      note: () => undefined,
      progress: () => {
        if (++epochs === 10) throw new Error('power cut');
      },
    };
    const run = () => trainNetwork(toyRun('net'), drawnFrom(3), plainMatrixMultiply, broken, powerCut);
    expect(run).toThrow('power cut');
    run();
    const bytes = readFileSync(join(broken, 'net.network'));
    expect(bytes.equals(readFileSync(join(straight, 'net.network')))).toBe(true);
    const other = { ...toyRun('net'), seed: 4 };
    trainNetwork(other, drawnFrom(4), plainMatrixMultiply, join(folder, 'other'), SILENT_LOG);
    expect(bytes.equals(readFileSync(join(folder, 'other', 'net.network')))).toBe(false);
  });

  it('learns what can be learned', () => {
    const network = trainNetwork(
      { ...toyRun('long'), epochs: 12, rate: 2e-2 },
      drawnFrom(3),
      plainMatrixMultiply,
      folder,
      SILENT_LOG,
    );
    const all = frames.draw(1, SILENT, 1, frames.frames);
    const inputs = new Float32Array(all.count * 8);
    const labels = new Int32Array(all.count);
    all.read(
      Uint32Array.from({ length: all.count }, (_, i) => i),
      0,
      inputs,
      labels,
    );
    const scores = network.infer(inputs);
    let correct = 0;
    for (let i = 0; i < labels.length; i++) {
      const row = scores.subarray(i * STATES, (i + 1) * STATES);
      if (row.indexOf(Math.max(...row)) === labels[i]) correct++;
    }
    expect(correct / labels.length).toBeGreaterThan(0.7);
  });
});

describe('drawing frames', () => {
  it('thins silence and nothing else', () => {
    const count = (share: number): [number, number] => {
      const examples = frames.draw(5, SILENT, share, 1_000_000);
      const labels = new Int32Array(examples.count);
      const order = Uint32Array.from({ length: examples.count }, (_, i) => i);
      examples.read(order, 0, new Float32Array(examples.count * 8), labels);
      return [
        labels.filter((label) => label < SILENT).length,
        labels.filter((label) => label >= SILENT).length,
      ];
    };
    const [silent, spoken] = count(1);
    expect(silent + spoken).toBe(frames.frames);
    expect(count(0)).toEqual([0, spoken]);
    expect(count(0.5)[1]).toBe(spoken);
    expect(count(0.5)[0]).toBeLessThan(silent);
  });

  it('gives log-priors that sum to one and count thinned silence less', () => {
    const full = frames.logPriors(STATES, SILENT, 1).map(Math.exp);
    const thinned = frames.logPriors(STATES, SILENT, 0.1).map(Math.exp);
    expect(full.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    expect(thinned.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    expect(thinned[0]).toBeLessThan(full[0]);
  });
});

describe('perturbed inputs', () => {
  const ramp = Float32Array.from({ length: 16 }, (_, i) => i % 8);

  it('are the inputs themselves when nothing is allowed to change', () => {
    const inputs = ramp.slice();
    new InputPerturbation({ warp: 0, mask: 0, noise: 0 }, 8, new SeededGenerator(1)).apply(inputs, 0, 16);
    expect(inputs).toEqual(ramp);
  });

  it('move all coefficients of a filter alike', () => {
    const perturbation = new InputPerturbation({ warp: 0.3, mask: 3, noise: 0 }, 8, new SeededGenerator(1));
    let changed = 0;
    for (let i = 0; i < 20; i++) {
      const inputs = ramp.slice();
      perturbation.apply(inputs, 0, 16);
      expect(inputs.subarray(0, 8)).toEqual(inputs.subarray(8));
      expect(Math.max(...inputs)).toBeLessThanOrEqual(7);
      if (inputs.some((x, at) => x !== ramp[at])) changed++;
    }
    expect(changed).toBeGreaterThan(15);
  });

  it('have noise of the deviation that was asked for', () => {
    const inputs = new Float32Array(8000);
    new InputPerturbation({ warp: 0, mask: 0, noise: 0.5 }, 8, new SeededGenerator(1)).apply(inputs, 0, 8000);
    const power = inputs.reduce((sum, x) => sum + x * x, 0) / inputs.length;
    expect(Math.sqrt(power)).toBeCloseTo(0.5, 1);
  });
});

describe('labels', () => {
  it('stretches with the speed of the copy', () => {
    const labels = Uint16Array.of(0, 0, 1, 1, 2, 2);
    expect([...stretchLabels(labels, 2, 3)]).toEqual([0, 1, 2]);
    expect([...stretchLabels(labels, 0.5, 12)].filter((label) => label === 1)).toHaveLength(4);
    expect([...stretchLabels(labels, 1, 6)]).toEqual([...labels]);
  });

  it('keeps alignments between runs and refuses those of another set', () => {
    const path = join(folder, 'some.alignment');
    const alignments = [Uint16Array.of(1, 2, 3), null, Uint16Array.of(65_535)];
    writeAlignments(path, alignments);
    const made = () => {
      throw new Error('made again');
    };
    expect(storedAlignments(path, 3, made)).toEqual(alignments);
    expect(() => storedAlignments(path, 4, made)).toThrow('the training set 4');
    expect(() => storedAlignments(join(folder, 'none'), 3, made)).toThrow('made again');
  });
});

describe('plans', () => {
  it.each(['digits', 'sentences'] as const)(
    '%s has networks of corresponding parameters that fit the upload',
    (task) => {
      const plan = planFor(task);
      expect(plan.context.coefficients * 40).toBeLessThanOrEqual(200);
      for (const kind of ['dnn', 'cnn'] as const) {
        const shape = [plan.context.coefficients, 1, 40];
        const relu = freshNetwork(shape, reluSpecs(kind, plan.sizes, 96), plainMatrixMultiply, 1);
        const quadratic = freshNetwork(shape, quadraticSpecs(kind, plan.sizes, 96), plainMatrixMultiply, 1);
        expect(quadratic.layers.map((layer) => layer.outputShape)).toEqual(
          relu.layers.map((layer) => layer.outputShape),
        );
      }
    },
  );
});
