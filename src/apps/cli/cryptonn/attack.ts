/** `subrosa attack cryptonn`: the training images from what a trainer holds, computed or estimated, and shown. */
import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { DataError } from '../../../base/errors.ts';
import { SeededGenerator } from '../../../nn/index.ts';
import { recoverBounded } from '../../../protocols/cryptonn/leakage/lattice-attack.ts';
import { uniqueSolutionRank } from '../../../protocols/cryptonn/agreement/leak-budget.ts';
import {
  parseTranscript,
  type TrainingTranscript,
} from '../../../protocols/cryptonn/trainer/training-transcript.ts';
import {
  attackTranscript,
  type TranscriptAttack,
} from '../../../protocols/cryptonn/leakage/transcript-attack.ts';
import { drawnSource } from '../../cryptonn/measured-leak.ts';
import { type GreyPicture, pictureLines, pictureSvg } from '../../cryptonn/picture.ts';
import { replaceFile } from '../../keystore/atomic-file.ts';
import { type MnistSplit, readMnist } from '../../train/mnist-corpus.ts';
import { attackProjected } from './attack-projected.ts';
import { WHO_LEARNS_WHAT_IN_TRAINING } from './authority.ts';
import { lookAlikeSource } from './look-alike.ts';
import type { EngineParts } from '../parts.ts';
import { wholeNumber } from '../speech/serve.ts';
import { paintFor, type Terminal } from '../terminal/terminal.ts';

/** Key vectors of the lattice attack, a few more than make the solution unique; their entries; side of its window. */
const [SPARE_KEYS, KEY_BOUND, WINDOW] = [2, 127, 5];

interface AttackFlags {
  readonly show: number;
  readonly batches: number;
  readonly out?: string;
  readonly originals?: string;
  readonly split: MnistSplit;
  readonly lookAlike?: string;
  readonly lookAlikeLabels?: string;
  readonly labelKey?: string;
  readonly json?: boolean;
}

export function addAttack(program: Command, terminal: Terminal, parts: EngineParts): void {
  program
    .command('attack')
    .description('what training on encrypted data gives away')
    .command('cryptonn')
    .argument('<transcript>', 'from train cryptonn --transcript FILE')
    .description(
      'faithful mode: compute the training images exactly; projected mode: estimate them, and name the classes',
    )
    .addOption(new Option('--show <n>', 'images on the terminal').default(3).argParser(wholeNumber(0, 64)))
    .addOption(
      new Option('--batches <n>', 'to recover; windows of LeNet-5 take seconds each')
        .default(4)
        .argParser(wholeNumber(1, 1024)),
    )
    .option('--out <file>', 'the images as SVG, beside the originals if those are given')
    .option('--originals <dir>', 'where mnist/ is: count which images are exactly in it')
    .addOption(new Option('--split <part>', 'of the originals').choices(['train', 'test']).default('train'))
    .option('--look-alike <file>', 'projected: images like the data, IDX, or "drawn" (the default)')
    .option(
      '--look-alike-labels <file>',
      'their labels, IDX; default: beside the images, by the names of MNIST',
    )
    .option('--label-key <file>', 'projected: the key of the owners, to count which names were guessed right')
    .option('--json', 'one JSON object on standard output, for programs')
    .addHelpText('after', WHO_LEARNS_WHAT_IN_TRAINING)
    .action((path, flags) => attackCryptonn(path, flags, terminal, parts));
}

async function attackCryptonn(
  path: string,
  flags: AttackFlags,
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  const transcript = parseTranscript(await readFile(path));
  if (transcript.projected !== undefined) {
    using kernel = await parts.openKernel((reason) => terminal.err(`${reason}\n`));
    const source = lookAlikeSource(flags.lookAlike, flags.lookAlikeLabels) ?? drawnSource();
    await attackProjected(transcript.projected, source, flags, kernel, terminal);
    return;
  }
  const attack = attackTranscript(transcript, flags.batches);
  const images = attack.batches.flatMap(({ inputs }) => rowsOf(inputs, transcript.features));
  const originals =
    flags.originals === undefined ? undefined : originalImages(flags.originals, flags.split, transcript);
  const matches = images.map((image) => originals?.get(image.join()));
  const found = matches.filter((match) => match !== undefined).length;
  const few = latticeOnFewKeys(images, transcript);
  const shown = images.slice(0, flags.show);
  const picture = (pixels: ArrayLike<number>): GreyPicture => ({
    pixels,
    width: Math.round(Math.sqrt(transcript.features)),
    white: transcript.inputBound,
  });
  if (flags.out !== undefined) {
    const rows = [{ caption: 'computed from keys and products', pictures: shown.map(picture) }];
    const beside = matches
      .slice(0, flags.show)
      .flatMap((match) => (match === undefined ? [] : [picture(match)]));
    if (beside.length > 0) rows.push({ caption: 'originals', pictures: beside });
    await replaceFile(flags.out, new TextEncoder().encode(pictureSvg(rows)));
  }
  if (flags.json === true) {
    const { forwardRank, batches } = attack;
    const requests = batches.map(({ batch, axis, by, requests: used }) => ({
      batch,
      axis,
      by,
      requests: used,
    }));
    const result = { images: images.length, ...(originals === undefined ? {} : { inOriginals: found }) };
    terminal.out(
      `${JSON.stringify({ ...result, forwardRank, features: transcript.features, batches: requests, fewKeys: few })}\n`,
    );
    return;
  }
  const paint = paintFor(terminal.outIsTerminal, terminal.env);
  for (const [i, image] of shown.entries()) {
    const match = matches[i];
    const beside = match === undefined ? [] : pictureLines(picture(match));
    terminal.out(`\n${paint.bold('computed')}${match === undefined ? '' : ' | original'}\n`);
    for (const [row, line] of pictureLines(picture(image)).entries())
      terminal.out(`${line}${beside[row] === undefined ? '' : ` | ${beside[row]}`}\n`);
  }
  terminal.out(`\n${summary(transcript, attack, images.length, few)}`);
  if (originals !== undefined)
    terminal.out(`${found} of ${images.length} computed images are originals, pixel for pixel.\n`);
}

function summary(
  { features, convolution }: TrainingTranscript,
  { batches, forwardRank }: TranscriptAttack,
  images: number,
  few: ReturnType<typeof latticeOnFewKeys>,
): string {
  const reduced = batches.filter(({ by }) => by === 'reduction').length;
  const gradient = batches.filter(({ axis }) => axis === 'gradient').length;
  const how =
    reduced === 0
      ? 'by elimination'
      : `${reduced} batches of them by lattice reduction, with fewer keys than samples`;
  const lines =
    images === 0
      ? [`No batch is determined: the keys over the inputs have rank ${forwardRank} of ${features}.`]
      : [
          `${images} images computed exactly, ${how}: ${gradient} batches from backward passes, ${batches.length - gradient} from forward passes.`,
          convolution === undefined
            ? `The keys over the inputs have rank ${forwardRank} of ${features}${forwardRank === features ? ': every batch of this data set is open, whoever encrypted it' : ''}.`
            : `The filters of one step give ${forwardRank} independent equations for the ${features} values of an image, since each meets every window.`,
        ];
  if (few !== null)
    lines.push(
      `Few keys: ${few.keys} keys for a window of ${few.unknowns} pixels ${few.isRecovered ? 'gave all of them, by lattice reduction' : 'did not give them'} (rank alone would need ${few.unknowns}).`,
    );
  return `${lines.join('\n')}\n`;
}

function rowsOf(values: Int32Array, width: number): Int32Array[] {
  return Array.from({ length: values.length / width }, (_, row) =>
    values.subarray(row * width, (row + 1) * width),
  );
}

/** Original images by their fixed-point text. @throws {DataError} when they have another size. */
function originalImages(
  data: string,
  split: MnistSplit,
  transcript: TrainingTranscript,
): Map<string, Int32Array> {
  const { pixels, height, width } = readMnist(data, split);
  const { features, inputBound } = transcript;
  if (height * width !== features)
    throw new DataError(`the originals have ${height * width} pixels, the transcript ${features}`);
  const integers = Int32Array.from(pixels, (value) => Math.round(inputBound * Math.fround(value / 255)));
  return new Map(rowsOf(integers, features).map((row) => [row.join(), row]));
}

/**
 * The lattice attack on the busiest window of the first computed image, under fewer random keys than it has pixels: what a filter
 * bank of a convolution would give. Null without an image.
 */
function latticeOnFewKeys(images: readonly Int32Array[], { features, inputBound }: TrainingTranscript) {
  const [image] = images;
  const width = Math.round(Math.sqrt(features));
  if (image === undefined || width ** 2 !== features || width < WINDOW) return null;
  const window = busiestWindow(image, width);
  const unknowns = WINDOW ** 2;
  const keys = Math.ceil(uniqueSolutionRank(unknowns, inputBound, KEY_BOUND)) + SPARE_KEYS;
  const generator = new SeededGenerator(1);
  const weights = Int32Array.from(
    { length: keys * unknowns },
    () => generator.below(2 * KEY_BOUND + 1) - KEY_BOUND,
  );
  const products = Array.from({ length: keys }, (_, row) =>
    window.reduce((sum, value, i) => sum + value * (weights[row * unknowns + i] as number), 0),
  );
  const solution = recoverBounded(weights, products, unknowns, inputBound);
  return { unknowns, keys, isRecovered: solution?.every((value, i) => value === window[i]) === true };
}

function busiestWindow(image: Int32Array, width: number): Int32Array {
  let best = new Int32Array(WINDOW ** 2);
  let most = -1;
  for (let top = 0; top + WINDOW <= width; top++) {
    for (let left = 0; left + WINDOW <= width; left++) {
      const window = Int32Array.from({ length: WINDOW ** 2 }, (_, i) => {
        const [y, x] = [top + Math.floor(i / WINDOW), left + (i % WINDOW)];
        return image[y * width + x] as number;
      });
      const grey = window.reduce((sum, value) => sum + value, 0);
      if (grey <= most) continue;
      most = grey;
      best = window;
    }
  }
  return best;
}
