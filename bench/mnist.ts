/** The image networks of models/mnist on the test images as they are and under every condition of the card. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatImageConditions } from '../src/apps/train/image-card.ts';
import { measureConditions } from '../src/apps/train/image-conditions.ts';
import { imageForms, isForEdges } from '../src/apps/train/image-model.ts';
import { IMAGE_NETWORKS } from '../src/apps/train/image-plan.ts';
import { readMnist } from '../src/apps/train/mnist-corpus.ts';
import { openKernel } from '../src/kernel/open.ts';
import { IntegerNetwork, PolynomialNetwork, Sequential } from '../src/nn/index.ts';
import { type Bench, reportFor } from './report.ts';

const QUICK_IMAGES = 1000;

export const mnist: Bench = async (options, note) => {
  using kernel = await openKernel();
  const models = join(import.meta.dirname, '..', import.meta.dirname.includes('dist') ? '..' : '.', 'models');
  const all = readMnist(options.data ?? join(models, '..', '..', 'shared', 'data'), 'test');
  const count = options.quick ? QUICK_IMAGES : all.count;
  const size = all.height * all.width;
  const test = {
    ...all,
    count,
    pixels: all.pixels.subarray(0, count * size),
    labels: all.labels.subarray(0, count),
  };
  const rows = IMAGE_NETWORKS.filter(isForEdges).flatMap((network) => {
    const read = (form: string): Uint8Array => readFileSync(join(models, 'mnist', `${network}-${form}.bin`));
    const forms = imageForms(
      Sequential.fromBytes(read('float'), kernel),
      IntegerNetwork.fromBytes(read('int8')),
      network === 'cryptonets' ? PolynomialNetwork.fromBytes(read('polynomial-8bit')) : undefined,
      kernel,
    );
    note(`${network} on ${count} images`);
    return measureConditions(test, forms, () => undefined).map((row) => ({ network, ...row }));
  });
  const named = rows.map(({ network, form, condition, accuracy }) => ({
    name: `${network} ${form}, ${condition}`,
    accuracy: `${(100 * accuracy).toFixed(2)} %`,
  }));
  return { ...reportFor('mnist', kernel, named), markdown: formatImageConditions(rows) };
};
