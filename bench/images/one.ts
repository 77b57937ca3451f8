/**
 * One image: the layout for one sample and the one for batches, asked in turn in one process, natively and with WebAssembly. Times are
 * minima over the images of a round and of the rounds, so that a busy machine disturbs least; processor times count both threads.
 */
import { decisions } from '../../src/apps/cli/models/model-accuracy.ts';
import { compile } from '../../src/compiler/compile.ts';
import type { Program } from '../../src/compiler/program.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { PolynomialNetwork, PolynomialRunner } from '../../src/nn/index.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { modelName } from '../../src/protocols/inference/names.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';
import { loadSeal } from '../engine/engine-seal.ts';
import { processorClock } from '../in-turn.ts';
import { type Bench, type BenchRow, reportFor } from '../report.ts';
import { sealCircuit } from './one-seal.ts';
import { bordered, GENERATED, generatedNetwork } from './generated.ts';
import { ask, type Batch, modelBytes, shareOf, TENANT, testImages, type Timed } from './image-batch.ts';

interface Subject {
  readonly network: string;
  readonly layouts: readonly ('packed' | 'batch')[];
}

const SUBJECTS: readonly Subject[] = [
  { network: 'cryptonets', layouts: ['packed', 'batch'] },
  { network: 'faster-cryptonets', layouts: ['packed'] },
  { network: 'cryptodl', layouts: ['packed'] },
];
const IMAGES = { native: 64, wasm: 12 };
const QUICK_IMAGES = 8;

export const onePart: Bench = async (options, note) => {
  const rows: BenchRow[] = [];
  const subjects = options.quick ? SUBJECTS.slice(0, 1) : SUBJECTS;
  for (const name of ['native', 'wasm'] as const) {
    using kernel = await openKernel({ kernel: name });
    const count = options.quick ? QUICK_IMAGES : IMAGES[name];
    const images = testImages(options.data, count);
    for (const { network: file, layouts } of subjects) {
      const network = PolynomialNetwork.fromBytes(modelBytes(`${file}-polynomial-8bit`));
      const programs = layouts.map((layout) => compile(network, { name: layout, inputBound: 1, layout }));
      note(`${file}, ${name}`);
      const measured = await oneByOne(programs, images, kernel);
      const runner = new PolynomialRunner(network, kernel);
      const clear = decisions(runner.run(images.inputs), network.outputs);
      const packed = measured.find(({ program }) => program.packed !== undefined)!;
      const peerMs = file === SUBJECTS[0]!.network ? await sealMs(packed.program) : undefined;
      const batch = measured.find(({ program }) => program.packed === undefined);
      for (const each of measured) {
        const ours = decisions(each.scores, network.outputs);
        rows.push({
          name: `${file}, one image, ${each.program.name}`,
          kernel: `${kernel.name} ${kernel.isa}, ${kernel.threads} threads`,
          images: images.count,
          accuracy: shareOf(ours, images.labels),
          'argmax as in clear': shareOf(ours, clear),
          'server ms': each.serverMs,
          'evaluation ms': each.evaluationMs,
          'processor ms': each.processorMs,
          'latency ms': each.latencyMs,
          'bytes up': each.upBytes,
          'bytes down': each.downBytes,
          'key bytes': each.keyBytes,
          ...(batch !== undefined &&
            each !== batch && { 'times faster than batch': batch.processorMs / each.processorMs }),
          ...(each === packed &&
            peerMs !== undefined && {
              'the same calls of node-seal, processor ms': peerMs,
              'times faster than node-seal': peerMs / each.processorMs,
            }),
        });
      }
    }
  }
  const generated = await generatedRows(options, note);
  using native = await openKernel();
  return reportFor('images', native, [...rows, ...generated]);
};

/** Published sizes on generated weights: costs, and that the decisions are those of the clear network. */
async function generatedRows(options: Parameters<Bench>[0], note: Parameters<Bench>[1]): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  using kernel = await openKernel({ kernel: 'native' });
  const batch = testImages(options.data, options.quick ? QUICK_IMAGES : IMAGES.native);
  for (const subject of GENERATED) {
    note(`${subject.name}, generated weights`);
    const images = { ...batch, inputs: bordered(batch.inputs, subject.side) };
    const network = generatedNetwork(subject, kernel, images.inputs);
    const program = compile(network, { name: 'generated', inputBound: 1, layout: 'packed' });
    const [measured] = await oneByOne([program], images, kernel);
    const clear = decisions(new PolynomialRunner(network, kernel).run(images.inputs), network.outputs);
    rows.push({
      name: `${subject.name}, one image, generated weights`,
      kernel: `${kernel.name} ${kernel.isa}, ${kernel.threads} threads`,
      images: images.count,
      'argmax as in clear': shareOf(decisions(measured!.scores, network.outputs), clear),
      'server ms': measured!.serverMs,
      'evaluation ms': measured!.evaluationMs,
      'processor ms': measured!.processorMs,
      'latency ms': measured!.latencyMs,
      'bytes up': measured!.upBytes,
      'bytes down': measured!.downBytes,
      'key bytes': measured!.keyBytes,
    });
  }
  return rows;
}

const PEER_RUNS = 5;

/** Processor time of the program's calls by node-seal; undefined where it is not installed. */
async function sealMs(program: Program): Promise<number | undefined> {
  const seal = await loadSeal();
  if (seal === undefined) return undefined;
  using circuit = sealCircuit(seal, program);
  const times = Array.from({ length: PEER_RUNS }, () => {
    const started = processorClock();
    circuit.run();
    return processorClock() - started;
  });
  return Math.min(...times);
}

interface Measured {
  readonly program: Program;
  readonly scores: Float32Array;
  readonly serverMs: number;
  readonly evaluationMs: number;
  readonly processorMs: number;
  /** Encrypt, answer, decrypt, without a network. */
  readonly latencyMs: number;
  readonly upBytes: number;
  readonly downBytes: number;
  readonly keyBytes: number;
}

/** Every image to every program in turn. */
async function oneByOne(
  programs: readonly Program[],
  { inputs, labels, count }: Batch,
  kernel: Awaited<ReturnType<typeof openKernel>>,
): Promise<Measured[]> {
  using responder = await InferenceResponder.open(
    programs.map((program) => ({ program })),
    kernel,
  );
  const offers = responder.offers();
  const subjects: {
    client: InferenceClient;
    key: ReturnType<InferenceResponder['enrol']>;
    keyBytes: number;
    timed: Timed[];
  }[] = [];
  try {
    for (const [i, program] of programs.entries()) {
      const client = await InferenceClient.create(offers[i]!, kernel);
      const message = client.enrolment();
      const key = responder.enrol(TENANT, modelName(program.name), message);
      subjects.push({ client, key, keyBytes: message.length, timed: [] });
    }
    const width = inputs.length / count;
    for (let image = 0; image < count; image++) {
      const one = {
        inputs: inputs.slice(image * width, (image + 1) * width),
        labels: labels.slice(image, image + 1),
        count: 1,
      };
      subjects.forEach(({ client, key, timed }, i) => {
        timed.push(ask(client, responder, modelName(programs[i]!.name), key, one));
      });
    }
    return subjects.map(({ timed, keyBytes }, i) => {
      const least = (of: (each: Timed) => number): number => Math.min(...timed.map(of));
      const { outputs } = programs[i]!;
      const scores = new Float32Array(count * outputs);
      timed.forEach((each, image) => scores.set(each.scores, image * outputs));
      return {
        ...{ program: programs[i]!, scores, keyBytes },
        serverMs: least(({ totalMs }) => totalMs),
        evaluationMs: least(({ evaluationMs }) => evaluationMs),
        processorMs: least(({ processorMs }) => processorMs),
        latencyMs: least(({ totalMs, clientMs }) => totalMs + clientMs),
        upBytes: timed[0]!.upBytes,
        downBytes: timed[0]!.downBytes,
      };
    });
  } finally {
    for (const { client } of subjects) client[Symbol.dispose]();
  }
}
