/**
 * The page that listens for a word: by a file and by a microphone that plays one, against `infer` on the same sound in this process; the
 * wire is searched for sound and embeddings. That the word is heard is tried where flite is installed; its voice is in no repository.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadSpeechEmbedding } from '../../../src/apps/speech/embedding-package.ts';
import { WordWindows } from '../../../src/apps/speech-client/word-windows.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { writeWav } from '../../../src/speech/index.ts';
import { wcagFindings } from './accessibility.ts';
import { Canaries } from './canary.ts';
import { chromiumAt, needsChromium, type TappedServer, tappedWebServer } from './tapped-server.ts';

const WAIT = { timeout: 240_000 };
const hasVoice = spawnSync('flite', ['-lv']).status === 0;

async function launched(...args: string[]): Promise<Browser> {
  return await chromium.launch({ executablePath: chromiumAt as string, args: ['--no-sandbox', ...args] });
}

describe.skipIf(chromiumAt === undefined)(`the wake-word page ${needsChromium}`, () => {
  let server: TappedServer;
  let folder = '';
  let noise = '';
  const generator = new SeededGenerator(9);
  const samples = Float32Array.from(
    { length: 16_000 },
    // Never so quiet that a run of it is nothing but zeros as bytes: other files have such runs.
    (_, i) => 0.4 * (generator.uniform() - 0.5) * (2 + Math.sin(i / 900)),
  );

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'subrosa-wake-page-'));
    noise = join(folder, 'noise.wav');
    writeFileSync(noise, writeWav({ samples, rate: 16_000 }));
    server = await tappedWebServer();
  }, 400_000);

  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  async function opened(page: Page): Promise<void> {
    await page.goto(`${server.url}/wake/`);
    await page.locator('#status', { hasText: /^Ready/ }).waitFor(WAIT);
  }

  async function heardIn(page: Page, file: string): Promise<string> {
    await page.locator('#file').setInputFiles(file);
    await page.locator('#status', { hasText: /^A question/ }).waitFor(WAIT);
    await page.locator('#status', { hasText: /^Ready/ }).waitFor(WAIT);
    return (await page.locator('#heard').textContent()) ?? '';
  }

  test('a file is asked about every 80 ms, and nothing of it is on the wire', async () => {
    const browser = await launched();
    try {
      const page = await browser.newPage();
      server.taken();
      await opened(page);
      expect(await heardIn(page, noise)).toBe('Not heard');
      expect(await page.locator('#asked').textContent()).toMatch(/^25 encrypted questions about 2\.0 s: 4\./);
      const { up, down } = server.taken();
      const canaries = new Canaries();
      const sent = [...samples.subarray(3000, 9000)];
      canaries.addValues(sent);
      canaries.addBytes(readFileSync(noise).subarray(8000, 12_000));
      using kernel = await openKernel();
      const windows = new WordWindows(await loadSpeechEmbedding(kernel), 16).push(samples);
      canaries.addValues([...windows.at(-1)!]);
      expect([up, down].map((wire) => canaries.foundIn(wire))).toEqual([false, false]);
      for (const values of [Float32Array.from(sent), windows.at(-1)!])
        expect(canaries.foundIn(Buffer.concat([up.subarray(0, 999), Buffer.from(values.buffer)]))).toBe(true);
      expect(await page.locator('#log').textContent()).toMatch(/answered requestId=\w+ model=alexa/);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        expect(await wcagFindings(page)).toEqual([]);
      }
      if (hasVoice) {
        const word = join(folder, 'word.wav');
        spawnSync('flite', ['-voice', 'slt', '-t', 'alexa', '-o', word]);
        expect(await heardIn(page, word)).toMatch(/^Heard it at \d\.\d\d s, \d+ %$/);
      }
    } finally {
      await browser.close();
    }
  }, 600_000);

  test('a microphone is asked about while it listens', async () => {
    const browser = await launched(
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
      `--use-file-for-fake-audio-capture=${noise}`,
    );
    try {
      const page = await browser.newPage();
      await opened(page);
      await page.locator('#listen').click();
      await page.locator('#asked', { hasText: /questions/ }).waitFor(WAIT);
      await page.locator('#listen').click();
      await page.locator('#status', { hasText: /^Ready/ }).waitFor(WAIT);
      const [, count] = /^(\d+) /.exec((await page.locator('#asked').textContent()) ?? '') ?? [];
      // What was heard, and the second of silence behind it.
      expect(Number(count)).toBeGreaterThanOrEqual(8 + 12);
      expect(await page.locator('#heard').textContent()).toBe('Not heard');
    } finally {
      await browser.close();
    }
  }, 600_000);

  test('without the package, the page says what to install', async () => {
    const browser = await launched();
    try {
      const page = await browser.newPage();
      const missing = 'The wake word needs a package: npm install it';
      await page.route('**/wake-word/', (route) => route.fulfill({ json: { missing } }));
      await page.goto(`${server.url}/wake/`);
      await page.locator('#status', { hasText: missing }).waitFor(WAIT);
      expect(await page.locator('#listen').isDisabled()).toBe(true);
    } finally {
      await browser.close();
    }
  }, 120_000);
});
