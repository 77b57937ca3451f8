/** Trains a network on "exclusive or", in the clear. */
import { arrayExamples, openKernel, Sequential, Trainer } from 'subrosa/nn';

const multiply = await openKernel();
const layers = [{ kind: 'dense', outputs: 8 }, { kind: 'relu' }, { kind: 'dense', outputs: 2 }];
const network = new Sequential([2], layers, { multiply, seed: 1 });
const trainer = new Trainer(network, { batch: 4, seed: 1, schedule: { kind: 'constant', rate: 0.05 } });
const inputs = Float32Array.of(0, 0, 0, 1, 1, 0, 1, 1);
for (let epoch = 0; epoch < 200; epoch++) trainer.train(arrayExamples(inputs, Int32Array.of(0, 1, 1, 0)));
const scores = network.infer(inputs);
console.log(...[0, 1, 2, 3].map((i) => Number(scores[2 * i + 1] > scores[2 * i]))); // 0 1 1 0
