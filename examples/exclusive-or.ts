/** Trains a network in the clear. */
import { arrayExamples, type LayerSpec, openKernel, Sequential, Trainer } from '../src/nn/index.ts';

using kernel = await openKernel();
const layers: LayerSpec[] = [{ kind: 'dense', outputs: 8 }, { kind: 'relu' }, { kind: 'dense', outputs: 2 }];
const network = new Sequential([2], layers, { multiply: kernel, seed: 1 });
const trainer = new Trainer(network, { batch: 4, seed: 1, schedule: { kind: 'constant', rate: 0.05 } });
const inputs = Float32Array.of(0, 0, 0, 1, 1, 0, 1, 1);
const examples = arrayExamples(inputs, Int32Array.of(0, 1, 1, 0));
for (let epoch = 0; epoch < 200; epoch++) trainer.train(examples);
console.log(`${(100 * trainer.evaluate(examples).accuracy).toFixed(0)} % right`);
