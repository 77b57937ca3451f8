/** What compile and infer read besides one file: data files of a model, folders of samples, standard input. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { externalFiles } from '../../src/apps/cli/models/external-files.ts';
import { readModelFile } from '../../src/apps/cli/models/model-file.ts';
import { readSamples } from '../../src/apps/cli/models/sample-files.ts';
import { engineParts } from '../../src/apps/cli/parts.ts';
import { runCommand } from '../../src/apps/cli/run.ts';
import { DataError, DecodeError, LimitError } from '../../src/base/errors.ts';
import { GraphBuilder, tensorInput } from '../../src/nn/graph/graph-builder.ts';
import { interpret } from '../../src/nn/graph/clear-interpreter.ts';
import { DenseMap } from '../../src/nn/graph/linear-map.ts';
import { exportOnnx } from '../../src/nn/onnx/export-onnx.ts';
import { readOnnxModel, writeOnnxModel } from '../../src/nn/onnx/wire-format.ts';
import { RecordingTerminal } from './fake-engine.ts';

let directory = '';
const at = (...parts: string[]): string => join(directory, ...parts);
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'subrosa-files-'));
  mkdirSync(at('data'));
  writeFileSync(at('secret.bin'), 'nobody reads this');
  writeFileSync(
    at('data', 'weights.bin'),
    Uint8Array.from({ length: 64 }, (_, i) => i),
  );
  symlinkSync(at('secret.bin'), at('data', 'link.bin'));
  symlinkSync(at('data', 'weights.bin'), at('data', 'inner.bin'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const graph = () => {
  const builder = new GraphBuilder();
  const x = builder.input(tensorInput('x', [4]));
  const matrix = Float32Array.from({ length: 12 }, (_, i) => (i - 5) / 7);
  return builder.build(builder.linear(x, new DenseMap(3, 4, matrix)));
};

describe('data files of a model', () => {
  it('are read by runs, through links that stay inside', () => {
    const read = externalFiles(at('data'));
    expect([...read('weights.bin', 3, 4)]).toEqual([3, 4, 5, 6]);
    expect(read('weights.bin', 60, undefined)).toHaveLength(4);
    expect([...read('inner.bin', 0, 2)]).toEqual([0, 1]);
  });

  it.each([
    ['../secret.bin'],
    ['a/../../secret.bin'],
    ['..\\secret.bin'],
    ['/etc/passwd'],
    ['link.bin'],
    [''],
    ['weights.bin\0'],
  ])('are refused outside of the folder: %j', (location) => {
    const read = externalFiles(at('data'));
    let message = '';
    expect(() => {
      try {
        read(location, 0, 1);
      } catch (error) {
        message = (error as Error).message;
        throw error;
      }
    }).toThrow(DataError);
    expect(message).toContain('outside of --external-data');
    expect(message).not.toContain(directory);
  });

  it('are refused when they are missing, short, folders, or too much together', () => {
    const read = externalFiles(at('data'));
    expect(() => read('other.bin', 0, 1)).toThrow('is not in --external-data');
    expect(() => read('weights.bin', 60, 5)).toThrow('has 64 bytes, not the 65');
    expect(() => read('weights.bin', 70, undefined)).toThrow(DataError);
    expect(() => read('.', 0, 1)).toThrow(DataError);
    expect(() => externalFiles(at('nowhere'))).toThrow(DataError);
    writeFileSync(at('data', 'large.bin'), new Uint8Array(2 ** 20));
    const many = externalFiles(at('data'));
    expect(() => {
      for (let i = 0; i < 1025; i++) many('large.bin', 0, 2 ** 20);
    }).toThrow(LimitError);
  });

  it('make a model whose weights are elsewhere the model that it was', () => {
    const model = readOnnxModel(exportOnnx(graph()));
    const moved: Uint8Array[] = [];
    let offset = 0;
    const initializers = model.graph!.initializers!.map((tensor) => {
      const { rawData, ...rest } = tensor;
      if (rawData === undefined) return tensor;
      moved.push(rawData.slice());
      const entries = [
        { key: 'location', value: 'moved.bin' },
        { key: 'offset', value: String(offset) },
        { key: 'length', value: String(rawData.length) },
      ];
      offset += rawData.length;
      return { ...rest, dataLocation: 1, externalData: entries };
    });
    expect(moved.length).toBeGreaterThan(0);
    writeFileSync(at('data', 'moved.bin'), Buffer.concat(moved));
    writeFileSync(at('model.onnx'), writeOnnxModel({ ...model, graph: { ...model.graph, initializers } }));
    expect(() => readModelFile(at('model.onnx'), {})).toThrow(DecodeError);
    const read = readModelFile(at('model.onnx'), { externalData: at('data') });
    const x = [Float32Array.of(1, -2, 3, 0.5)];
    expect([...interpret(read, x, 1)]).toEqual([...interpret(graph(), x, 1)]);
  });
});

describe('samples', () => {
  const input = { ...tensorInput('x', [4]) };

  it('come from all files of a folder, in order of their names', () => {
    mkdirSync(at('samples'));
    writeFileSync(at('samples', 'b.csv'), '5,6,7,8\n9,10,11,12\n');
    writeFileSync(at('samples', 'a.csv'), '1,2,3,4\n');
    writeFileSync(at('samples', '.hidden'), 'not this');
    const { data, count, names } = readSamples([at('samples')], input);
    expect([count, data[0], data[4], data[8]]).toEqual([3, 1, 5, 9]);
    expect(names[0]).toContain('a.csv');
    mkdirSync(at('empty'));
    expect(() => readSamples([at('empty')], input)).toThrow('holds no files');
  });

  it('are piped into infer, zipped or not, once', async () => {
    writeFileSync(at('model.onnx'), exportOnnx(graph()));
    const run = async (piped: Uint8Array | undefined, ...args: string[]) => {
      const stream = piped === undefined ? undefined : Readable.from([piped]);
      const terminal = new RecordingTerminal({ SUBROSA_HOME: directory }, stream as never);
      return {
        code: await runCommand(args, terminal, engineParts),
        out: terminal.output,
        err: terminal.errors,
      };
    };
    const made = await run(
      undefined,
      'compile',
      at('model.onnx'),
      '-o',
      at('m.subrosa'),
      '--input-bound',
      '8',
    );
    expect(made.code, made.err).toBe(0);
    const text = Buffer.from('1,2,3,4\n-1,0,1,2\n');
    for (const piped of [text, gzipSync(text)]) {
      const asked = await run(piped, 'infer', '--local', at('m.subrosa'), '-', '--json');
      expect(asked.code, asked.err).toBe(0);
      const { files } = JSON.parse(asked.out);
      expect(files.map(({ file }: { file: string }) => file)).toEqual(['-[0]', '-[1]']);
      const needed = interpret(graph(), [Float32Array.of(1, 2, 3, 4, -1, 0, 1, 2)], 2);
      files.forEach(({ scores }: { scores: number[] }, t: number) =>
        scores.forEach((score, o) => expect(Math.abs(score - needed[3 * t + o]!)).toBeLessThan(0.05)),
      );
    }
    const twice = await run(text, 'infer', '--local', at('m.subrosa'), '-', '-');
    expect(twice.err).toContain('can be read once');
    expect((await run(undefined, 'infer', '--local', at('m.subrosa'), '-')).err).toContain('terminal');
  });
});
