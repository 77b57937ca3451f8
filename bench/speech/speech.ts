/**
 * Encrypted speech recognition as a whole: word error rates of every machine, milliseconds of every phase of one utterance of four
 * seconds through a real server process, bytes, and throughput with full slots.
 */
import { join } from 'node:path';
import type { SpeechTask } from '../../src/apps/speech/speech-task.ts';
import { SpeechModel } from '../../src/apps/speech/speech-model.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { type Bench, type BenchRow, reportFor } from '../report.ts';
import { keywordRows } from './speech-keyword.ts';
import { codebookRows } from './speech-codebooks.ts';
import { conditionRows } from './speech-conditions.ts';
import { errorRows } from './speech-errors.ts';
import { latencyRows, throughputRow } from './speech-latency.ts';

const TASKS: readonly SpeechTask[] = ['digits', 'sentences'];

export const speech: Bench = async (options, note) => {
  using kernel = await openKernel();
  const models = join(
    import.meta.dirname,
    '..',
    '..',
    import.meta.dirname.includes('dist') ? '..' : '.',
    'models',
  );
  const data = options.data ?? join(models, '..', '..', 'shared', 'data');
  const rows: BenchRow[] = [];
  for (const task of TASKS.filter((each) => options.task === undefined || options.task === each)) {
    const directory = join(models, task);
    const model = await SpeechModel.load(directory, kernel);
    if (options.part === undefined || options.part === 'codebooks') {
      rows.push(...(await codebookRows(model, task, directory, data, kernel, note)));
    }
    if (options.part === undefined || options.part === 'errors') {
      rows.push(
        ...(await errorRows({
          model,
          task,
          directory,
          data,
          kernel,
          clearLimit: options.quick ? 40 : undefined,
          encryptedLimit: options.quick ? 5 : task === 'digits' ? 240 : 100,
          note,
        })),
      );
    }
    if (task === 'digits' && (options.part === undefined || options.part === 'conditions')) {
      rows.push(...conditionRows(model, data, kernel, note));
    }
    if (task === 'digits' && (options.part === undefined || options.part === 'keyword')) {
      rows.push(...(await keywordRows(models, data, kernel, options.quick ? 5 : 300, note)));
    }
    if (options.part === undefined || options.part === 'latency') {
      rows.push(...(await latencyRows(model, task, models, kernel, options.quick ? 2 : 7, note)));
      rows.push(await throughputRow(model, task, kernel, note));
    }
  }
  return reportFor('speech', kernel, rows);
};
