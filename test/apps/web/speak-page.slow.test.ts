/**
 * The page that recognises speech, by files and by a microphone that plays a file, against the words of `subrosa transcribe` on the same
 * server; the wire is searched for samples and for what the network is given.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installation } from '../../../src/apps/cli/installation.ts';
import { shippedRecordings } from '../../../src/apps/cli/speech/recordings.ts';
import { recogniserOf } from '../../../src/apps/speech-client/recogniser.ts';
import { readAudio } from '../../../src/speech/index.ts';
import { wcagFindings } from './accessibility.ts';
import { Canaries } from './canary.ts';
import { chromiumAt, needsChromium, type TappedServer, tappedWebServer } from './tapped-server.ts';

const WAIT = { timeout: 120_000 };
const recordings = shippedRecordings(['digits']);

async function launched(...args: string[]): Promise<Browser> {
  return await chromium.launch({ executablePath: chromiumAt as string, args: ['--no-sandbox', ...args] });
}

describe.skipIf(chromiumAt === undefined)(`the speech page ${needsChromium}`, () => {
  let server: TappedServer;

  beforeAll(async () => {
    server = await tappedWebServer();
  }, 240_000);

  afterAll(() => server?.[Symbol.asyncDispose]());

  async function opened(page: Page): Promise<void> {
    await page.goto(`${server.url}/speak/`);
    await page.locator('#status', { hasText: /^Ready/ }).waitFor(WAIT);
  }

  async function wordsOf(page: Page): Promise<string> {
    await page.locator('#times .times').waitFor(WAIT);
    return (await page.locator('#words').textContent()) ?? '';
  }

  /** What the command gives for the shipped recordings. */
  async function transcribed(): Promise<string[]> {
    const main = join(installation.root, 'dist/src/apps/cli/main.js');
    const asked = ['--server', server.url, '--model', 'digits', '--no-key-file', '--json'];
    const files = recordings.map(({ path }) => path);
    const { stdout } = await promisify(execFile)(process.execPath, [main, 'transcribe', ...asked, ...files]);
    return (JSON.parse(stdout) as { files: { text: string }[] }).files.map(({ text }) => text);
  }

  test('files give the words of transcribe, and nothing of them is on the wire', async () => {
    const expected = await transcribed();
    const browser = await launched();
    try {
      const page = await browser.newPage();
      server.taken();
      await opened(page);
      const words: string[] = [];
      for (const { path } of recordings) {
        await page.locator('#file').setInputFiles(path);
        words.push(await wordsOf(page));
        await page.locator('#status', { hasText: /^Ready/ }).waitFor(WAIT);
      }
      expect(words).toEqual(expected);
      const { up, down } = server.taken();
      const canaries = new Canaries();
      const recogniser = recogniserOf(readFileSync(join(installation.models, 'digits/client.bin')));
      for (const { path } of recordings) {
        const audio = await readAudio(readFileSync(path), { maxSeconds: 60 });
        const spoken = recogniser.spokenPart(audio);
        canaries.addValues([...spoken.samples.subarray(4000, 8000)]);
        canaries.addValues([...recogniser.inputsOf(spoken).data.subarray(0, 20_000)]);
        canaries.addBytes(readFileSync(path).subarray(8000, 12_000));
      }
      for (const text of expected) canaries.addBytes(Buffer.from(text));
      for (const wire of [up, down]) expect(canaries.foundIn(wire)).toBe(false);
      expect(canaries.foundIn(Buffer.concat([up.subarray(0, 999), Buffer.from(expected[0] ?? '')]))).toBe(
        true,
      );
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        expect(await wcagFindings(page)).toEqual([]);
      }
      expect(await page.locator('#log').textContent()).toMatch(/answered requestId=\w+ model=digits/);
    } finally {
      await browser.close();
    }
  });

  test('a microphone that plays a recording gives its words; what is no sound gets a sentence', async () => {
    const [recording] = recordings;
    const browser = await launched(
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
      `--use-file-for-fake-audio-capture=${recording?.path}%noloop`,
    );
    try {
      const page = await browser.newPage();
      await opened(page);
      await page.locator('#record').click();
      await page.locator('#status', { hasText: /^Recording/ }).waitFor(WAIT);
      const { samples, rate } = await readAudio(readFileSync(recording?.path ?? ''), { maxSeconds: 60 });
      await new Promise((resolve) => setTimeout(resolve, (1000 * samples.length) / rate + 1500));
      await page.locator('#record').click();
      expect(await wordsOf(page)).toBe((await transcribed())[0]);
      const noise = { name: 'x.wav', mimeType: 'audio/wav', buffer: Buffer.from('no sound') };
      await page.locator('#file').setInputFiles(noise);
      await page.locator('#status-box.error').waitFor(WAIT);
    } finally {
      await browser.close();
    }
  });
});
