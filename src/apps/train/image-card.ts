/** The card of the MNIST networks. For people and for programs. */
import type { LayerSpec } from '../../nn/index.ts';
import type { ConditionRow } from './image-conditions.ts';
import type { ImagePlan } from './image-plan.ts';
import { formatFileRows } from './model-directory.ts';
import type { FileFacts } from './model-directory.ts';

export interface ImageResultRow extends ConditionRow {
  readonly network: string;
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
    case 'polynomial':
      return `polynomial ${spec.coefficients.map((c) => Number(c.toPrecision(4))).join(', ')}`;
    case 'max-pool':
    case 'mean-pool':
      return `${spec.kind} ${spec.size.join(' x ')}`;
    default:
      return spec.kind;
  }
}

function variationText({ untouched, shift }: ImagePlan['variation']): string {
  const moved = `moved by up to ${shift} pixel either way`;
  if (untouched === 1) return moved;
  const share = `${Math.round(100 * (1 - untouched))} % of them`;
  return `${share} turned, resized, thickened, thinned, blurred, dimmed or made noisy at random, all normalised and ${moved}`;
}

/** Conditions by networks, in per cent. */
export function formatImageConditions(rows: readonly ImageResultRow[]): string {
  const column = ({ network, form }: ImageResultRow): string => `${network} ${form}`;
  const columns = [...new Set(rows.map(column))];
  const conditions = [...new Set(rows.map(({ condition }) => condition))];
  const lines = conditions.map((condition) => {
    const cells = columns.map((name) => {
      const row = rows.find((each) => each.condition === condition && column(each) === name);
      return row === undefined ? '' : (100 * row.accuracy).toFixed(2);
    });
    return `| ${[condition, ...cells].join(' | ')} |`;
  });
  return [`| accuracy, % | ${columns.join(' | ')} |`, `|---|${'---|'.repeat(columns.length)}`, ...lines].join(
    '\n',
  );
}

/** One line per form of the networks that are measured on images as they are alone. */
function formatForms(rows: readonly ImageResultRow[]): string {
  const lines = rows.map(
    ({ network, form, accuracy }) => `| ${network} | ${form} | ${(100 * accuracy).toFixed(2)} |`,
  );
  return ['| network | form | accuracy, % |', '|---|---|---|', ...lines].join('\n');
}

/** Phases after the first, for people. */
function phasesText({ phases = [] }: ImagePlan): string {
  return phases.map(({ name, epochs }) => ` Then ${name}: ${epochs} epochs.`).join('');
}

/** The card as Markdown. */
export function formatImageCard({ networks }: ImageCard): string {
  const entries = Object.values(networks);
  const made = entries.map(
    ({ command, plan, trainingImages }) =>
      `- ${plan.network}: \`${command}\`, seed ${plan.seed}, ${plan.epochs} epochs of ${trainingImages} images, ` +
      `${variationText(plan.variation)}. Layers: ${plan.layers.map(layerText).join(', ')}.${phasesText(plan)}`,
  );
  const all = entries.map((entry) => entry.results);
  const isWide = (rows: readonly ImageResultRow[]): boolean =>
    new Set(rows.map(({ condition }) => condition)).size > 1;
  const results = all.filter(isWide).flat();
  const published = all.filter((rows) => !isWide(rows)).flat();
  return `# Image models: MNIST

Handwritten digits of 28 x 28 grey pixels, 0 to 255 as real numbers from 0 to 1, to ten scores.

The client normalises every image first (\`normaliseDrawing\`: light strokes on dark, full contrast, less noise, the centre of mass
in the middle). \`*-int8.bin\` and \`*-polynomial-8bit.bin\` say so: \`edge run\` does it, and \`infer\` for a program that was
compiled of one; whoever uses the float forms has to.

- Data: MNIST (LeCun, Cortes, Burges): 60,000 images for training, 10,000 for the test.
${made.join('\n')}
- Other machines round differently and end with slightly other weights.
- \`*-float.bin\`: float32. \`*-int8.bin\`: an integer network for the two-edge mode, 8-bit weights and activations, calibrated on
  training images. \`*-polynomial-8bit.bin\`: squares and 8-bit weights, for evaluation under encryption.
- Meant for: demonstrations and tests. Not a reader of documents: other scripts, pens and scanners are outside of what it has seen.

## Accuracy on the test images

${formatImageConditions(results)}

Images as they are: the first row. The others are the same ${results[0]?.images ?? 0} images, changed at random from a fixed seed.
\`npm run -s bench -- mnist\` prints this table.
${
  published.length === 0
    ? ''
    : `
Networks of published systems, on the ${published[0]!.images} images as they are (docs/images.md):

${formatForms(published)}
`
}
## Files

| file | bytes | SHA-256 (first 16 digits) |
|---|---|---|
${entries.map(({ files }) => formatFileRows(files)).join('\n')}
`;
}
