/** A model of a stranger that is no ONNX file: lande (npm, MIT) tells the language of a text; exported, compiled, asked under encryption. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { engineParts } from '../../src/apps/cli/parts.ts';
import { runCommand } from '../../src/apps/cli/run.ts';
import { GraphBuilder, tensorInput } from '../../src/nn/graph/graph-builder.ts';
import { DenseMap } from '../../src/nn/graph/linear-map.ts';
import type { ModelGraph } from '../../src/nn/graph/model-graph.ts';
import { exportOnnx } from '../../src/nn/onnx/export-onnx.ts';
import { RecordingTerminal } from './fake-engine.ts';

interface TrainedLayer {
  readonly biases?: { readonly w: Float32Array };
  readonly filters?: readonly { readonly w: Float32Array }[];
}

/** Our own sentences; windows of ten words of them are the samples. */
const TEXTS: Readonly<Record<string, string>> = {
  eng: 'the server adds and multiplies numbers that it cannot read and sends back an answer that only the owner of the key is able to open at home in the evening',
  deu: 'der Rechner addiert und multipliziert Zahlen die er nicht lesen kann und schickt eine Antwort zurück die nur der Besitzer des Schlüssels zu Hause öffnen kann',
  fra: 'le serveur additionne et multiplie des nombres qu il ne peut pas lire et renvoie une réponse que seul le propriétaire de la clé peut ouvrir chez lui le soir',
  spa: 'el servidor suma y multiplica números que no puede leer y devuelve una respuesta que solo el dueño de la llave puede abrir en su casa por la noche con calma',
  ita: 'il calcolatore somma e moltiplica numeri che non può leggere e rimanda una risposta che soltanto il proprietario della chiave può aprire a casa sua la sera',
  nld: 'de computer telt getallen op en vermenigvuldigt ze zonder ze te kunnen lezen en stuurt een antwoord terug dat alleen de eigenaar van de sleutel thuis kan openen',
  rus: 'сервер складывает и умножает числа которые он не может прочитать и посылает обратно ответ который может открыть только владелец ключа у себя дома вечером',
  tur: 'sunucu okuyamadığı sayıları toplar ve çarpar sonra da yalnızca anahtarın sahibinin akşam evinde açabileceği bir yanıtı geri gönderir ve hiçbir şey öğrenmez',
};
const WINDOW = 10;

const standalone = dirname(createRequire(import.meta.url).resolve('lande'));
const load = async (file: string): Promise<unknown> =>
  ((await import(pathToFileURL(join(standalone, file)).href)) as { default: unknown }).default;

let directory = '';
let languages: string[] = [];
let graph: ModelGraph;
let samples: { readonly language: string; readonly features: number[]; readonly theirs: string }[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'subrosa-lande-'));
  languages = (await load('t50-langs.js')) as string[];
  const ngrams = (await load('t50-ngrams.js')) as Record<string, string[]>;
  const options = await load('t50-options.js');
  const lande = (await load('t50.js')) as (text: string) => [string, number][];
  const { NeuralNetwork } = (await import(
    pathToFileURL(createRequire(join(standalone, 'x.js')).resolve('toygrad')).href
  )) as { NeuralNetwork: new (options: unknown) => { layers: readonly TrainedLayer[] } };
  const builder = new GraphBuilder();
  let wire = builder.input(tensorInput('ngrams', [Object.values(ngrams).flat().length]));
  const trained = new NeuralNetwork(options).layers.filter(({ filters }) => filters !== undefined);
  trained.forEach(({ filters, biases }, i) => {
    const [rows, cols] = [filters!.length, filters![0]!.w.length];
    const matrix = new Float32Array(rows * cols);
    filters!.forEach(({ w }, row) => matrix.set(w, row * cols));
    wire = builder.linear(wire, new DenseMap(rows, cols, matrix, Float64Array.from(biases!.w)));
    if (i + 1 < trained.length) wire = builder.function(wire, 'relu');
  });
  graph = builder.build(wire);
  samples = Object.entries(TEXTS).flatMap(([language, text]) => {
    const words = text.split(' ');
    return Array.from({ length: words.length - WINDOW + 1 }, (_, i) => {
      const part = words.slice(i, i + WINDOW).join(' ');
      return { language, features: featuresOf(part, ngrams), theirs: lande(part)[0]![0] };
    });
  });
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Shares of the n-grams that the model knows, as its own front end counts them. */
function featuresOf(text: string, ngrams: Record<string, readonly string[]>): number[] {
  const padded = ` ${text.toLowerCase()} `;
  return Object.values(ngrams).flatMap((known) => {
    const length = known[0]!.length;
    const total = padded.length - length + 1;
    const counts = new Map<string, number>();
    for (let i = 0; i < total; i++) {
      const gram = padded.slice(i, i + length);
      counts.set(gram, (counts.get(gram) ?? 0) + 1);
    }
    return known.map((gram) => (counts.get(gram) ?? 0) / total);
  });
}

it('tells languages under encryption as it does in the clear', async () => {
  const run = async (...args: string[]) => {
    const terminal = new RecordingTerminal({ SUBROSA_HOME: directory });
    return {
      code: await runCommand(args, terminal, engineParts),
      out: terminal.output,
      err: terminal.errors,
    };
  };
  const at = (name: string): string => join(directory, name);
  writeFileSync(at('lande.onnx'), exportOnnx(graph));
  writeFileSync(at('all.csv'), `${samples.map(({ features }) => features.join(',')).join('\n')}\n`);
  const compiled = await run(
    ...['compile', at('lande.onnx'), '-o', at('lande.subrosa'), '--calibrate', at('all.csv')],
    ...['--max-degree', '2', '--drop', '5%', '--labels', languages.join(','), '--json'],
  );
  expect(compiled.code, compiled.err).toBe(0);
  const asked = await run('infer', '--local', at('lande.subrosa'), at('all.csv'), '--json');
  expect(asked.code, asked.err).toBe(0);
  const { files, clearAgreement } = JSON.parse(asked.out) as {
    files: { label: string }[];
    clearAgreement: number;
  };
  expect(clearAgreement).toBeGreaterThan(0.98);
  const share = (holds: (i: number) => boolean): number =>
    samples.filter((_, i) => holds(i)).length / samples.length;
  expect(share((i) => files[i]!.label === samples[i]!.theirs)).toBeGreaterThan(0.9);
  expect(share((i) => files[i]!.label === samples[i]!.language)).toBeGreaterThan(0.8);
});
