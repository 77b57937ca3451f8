/** The card of the MNIST networks. For people and for programs. */
import type { LayerSpec } from '../../nn/index.ts';
import type { ImagePlan } from './image-plan.ts';
import { formatFileRows } from './model-directory.ts';
import type { FileFacts } from './model-directory.ts';

export interface ImageResultRow {
  readonly network: string;
  /** What of the network was tested. */
  readonly form: string;
  readonly images: number;
  /** Share of images whose best class is the label. */
  readonly accuracy: number;
}

export interface ImageCard {
  readonly task: 'mnist';
  readonly networks: Readonly<
    Record<
      string,
      {
        readonly command: string;
        readonly plan: ImagePlan;
        readonly trainingImages: number;
        readonly files: FileFacts;
        readonly results: readonly ImageResultRow[];
      }
    >
  >;
}

function layerText(spec: LayerSpec): string {
  switch (spec.kind) {
    case 'conv2d':
      return `convolution ${spec.filters} of ${spec.size.join(' x ')}`;
    case 'dense':
      return `dense ${spec.outputs}`;
    case 'max-pool':
    case 'mean-pool':
      return `${spec.kind} ${spec.size.join(' x ')}`;
    default:
      return spec.kind;
  }
}

/** The card as Markdown. */
export function formatImageCard({ networks }: ImageCard): string {
  const entries = Object.values(networks);
  const made = entries.map(
    ({ command, plan, trainingImages }) =>
      `- ${plan.network}: \`${command}\`, seed ${plan.seed}, ${plan.epochs} epochs of ${trainingImages} images, each moved by up to ` +
      `${plan.shift} pixel. Layers: ${plan.layers.map(layerText).join(', ')}.`,
  );
  const rows = entries
    .flatMap(({ results }) => results)
    .map(
      ({ network, form, images, accuracy }) =>
        `| ${network} | ${form} | ${images} | ${(100 * accuracy).toFixed(2)} % |`,
    );
  return `# Image models: MNIST

Handwritten digits of 28 x 28 grey pixels, 0 to 255 as real numbers from 0 to 1, to ten scores.

- Data: MNIST (LeCun, Cortes, Burges): 60,000 images for training, 10,000 for the test.
${made.join('\n')}
- Other machines round differently and end with slightly other weights.
- \`*-float.bin\`: float32. \`*-int8.bin\`: an integer network for the two-edge mode, 8-bit weights and activations, calibrated on
  training images. \`*-polynomial-8bit.bin\`: squares and 8-bit weights, for evaluation under encryption.
- Meant for: demonstrations and tests. Not a reader of documents: other scripts, pens and scanners are outside of what it has seen.

## Accuracy on the test images

| network | form | images | accuracy |
|---|---|---|---|
${rows.join('\n')}

## Files

| file | bytes | SHA-256 (first 16 digits) |
|---|---|---|
${entries.map(({ files }) => formatFileRows(files)).join('\n')}
`;
}
