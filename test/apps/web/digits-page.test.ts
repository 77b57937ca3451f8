/**
 * The page that reads digits, as a visitor has it: strokes by the mouse, keys in the browser, ciphertexts on the wire. The server is real
 * and so is the network; every byte between the two is kept and searched.
 */
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { mnistDrawing } from '../../../src/apps/web/pages/mnist-drawing.ts';
import { SAMPLE_DIGITS } from '../../../src/apps/web/pages/sample-digits.ts';
import { wcagFindings } from './accessibility.ts';
import { Canaries } from './canary.ts';
import { drawDigit } from './drawing.ts';
import { openPage, servedPages } from './opened-page.ts';
import { chromiumAt, needsChromium } from './tapped-server.ts';

const WAIT = { timeout: 60_000 };

/** Keeps what the worker says to the page; runs in the page before anything else. */
const TAP_WORKERS = `globalThis.workerMessages = [];
  const Original = Worker;
  globalThis.Worker = class extends Original {
    constructor(...args) {
      super(...args);
      this.addEventListener('message', ({ data }) => globalThis.workerMessages.push(data));
    }
  };`;

/** What a private window, a full disk or a strict administrator does, in front of the worker's program. */
const FAULTS: Readonly<Record<string, string>> = {
  'is blocked': "indexedDB.open = () => { throw new DOMException('no', 'SecurityError'); };",
  'is full': "IDBObjectStore.prototype.put = () => { throw new DOMException('no', 'QuotaExceededError'); };",
  'is missing': "Object.defineProperty(globalThis, 'indexedDB', { value: undefined });",
};
const faultFiles = Object.entries(FAULTS).flatMap(([fault, code]): [string, string][] => {
  const name = `/faults/${fault.replace(' ', '-')}`;
  const worker = `import '${name}-first.js';\nimport '/assets/client-worker.js';\n`;
  return [
    [`${name}-first.js`, code],
    [`${name}.js`, worker],
  ];
});

/** Opens what the page's origin kept, as only a program of that origin can; in the page. */
async function keptKeys(): Promise<{ readonly secret: number[]; readonly isExtractable: boolean }> {
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open('subrosa');
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error));
  });
  const all = <T>(store: string, what: 'getAll' | 'getAllKeys') =>
    new Promise<T[]>((resolve) => {
      const request = database.transaction(store).objectStore(store)[what]();
      request.addEventListener('success', () => resolve(request.result as T[]));
    });
  const [key] = await all<CryptoKey>('sealing', 'getAll');
  const [label] = await all<string>('keys', 'getAllKeys');
  const [record] = await all<{ nonce: Uint8Array<ArrayBuffer>; sealed: ArrayBuffer }>('keys', 'getAll');
  database.close();
  if (key === undefined || record === undefined || label === undefined)
    return { secret: [], isExtractable: true };
  const algorithm = { name: 'AES-GCM', iv: record.nonce, additionalData: new TextEncoder().encode(label) };
  const opened = new Uint8Array(await crypto.subtle.decrypt(algorithm, key, record.sealed));
  const exported = await crypto.subtle.exportKey('raw', key).catch(() => null);
  // A key ends with its own 32 bytes; what is before them says which parameters it is for, and is public.
  return { secret: [...opened.subarray(-32)], isExtractable: exported !== null };
}

/** Numbers anywhere inside a message of the worker, as the bytes of a wire. */
const MESSAGE_BYTES = `(() => {
  const found = [];
  const walk = (value) => {
    if (ArrayBuffer.isView(value)) found.push(...new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    else if (value instanceof ArrayBuffer) found.push(...new Uint8Array(value));
    else if (typeof value === 'string') found.push(...new TextEncoder().encode(value));
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(walk);
  };
  walk(globalThis.workerMessages);
  return found;
})()`;

describe.skipIf(chromiumAt === undefined)(`the digits page ${needsChromium}`, () => {
  const pages = servedPages(new Map(faultFiles));

  const opened = (page: Page) => openPage(page, `${pages.server.url}/digits/`, /^Ready/, WAIT.timeout);

  async function answerTo(page: Page): Promise<string> {
    await page.locator('#answer', { hasText: 'Nothing asked yet' }).waitFor();
    await page.locator('#ask').click();
    const answer = page.locator('#answer strong');
    await answer.waitFor(WAIT);
    return (await answer.textContent()) ?? '';
  }

  test('nine of ten drawn digits are read, and no plaintext and no key is on the wire', async () => {
    await using context = await pages.browser.newContext();
    const page = await context.newPage();
    await page.addInitScript(TAP_WORKERS);
    pages.server.taken();
    const errors = await opened(page);
    const answers: string[] = [];
    for (let digit = 0; digit < 10; digit++) {
      await drawDigit(page, digit);
      answers.push(await answerTo(page));
    }
    expect(answers.filter((answer, digit) => answer === String(digit)).length).toBeGreaterThanOrEqual(9);
    const { secret, isExtractable } = await page.evaluate(keptKeys);
    const said = Buffer.from((await page.evaluate(MESSAGE_BYTES)) as number[]);
    const { up, down } = pages.server.taken();
    expect(errors).toEqual([]);
    // Ten questions, the keys, and nothing else of size.
    expect(up.length).toBeGreaterThan(14_000_000 + 10 * 172_000);
    expect(up.length).toBeLessThan(18_000_000);
    const drawings = SAMPLE_DIGITS.map((strokes) =>
      [...(mnistDrawing(strokes) ?? [])].map((value) => value / 255),
    );
    expect(isExtractable).toBe(false);
    expect(secret).toHaveLength(32);
    const canaries = new Canaries();
    for (const values of drawings) canaries.addValues(values);
    canaries.addBytes(Uint8Array.from(secret));
    // The server shows its log to the page, so both ways are searched; and what the worker said to the page.
    for (const wire of [up, down, said]) expect(canaries.foundIn(wire)).toBe(false);
    // Controls: the same search finds a drawing and the key among ciphertexts.
    const among = (bytes: Uint8Array) => Buffer.concat([up.subarray(0, 9999), bytes, up.subarray(0, 99)]);
    const pixels = Float32Array.from(drawings[3] ?? []);
    expect(canaries.foundIn(among(new Uint8Array(pixels.buffer)))).toBe(true);
    expect(canaries.foundIn(among(Uint8Array.from(secret)))).toBe(true);
    expect(canaries.foundIn(among(Buffer.from(Buffer.from(secret).toString('base64'))))).toBe(true);
    expect(said.length).toBeGreaterThan(10 * 40);
    // The bytes that left and those that the server says it got are the same.
    const [left, seen] = await page.locator('#flow pre').allTextContents();
    expect(left).toMatch(/^53 52 51 31( [0-9a-f]{2}){12}\n/);
    expect(seen).toBe(left);
    expect(await page.locator('#log').textContent()).toMatch(
      /answered requestId=\w+ model=mnist tenant=[0-9a-f]{12}/,
    );
  }, 240_000);

  test('keys rest in the browser: a second visit uploads none; and the keyboard alone is enough', async () => {
    await using context = await pages.browser.newContext();
    const page = await context.newPage();
    await opened(page);
    expect(await page.locator('#facts').textContent()).toMatch(/made in .* sent once/);
    pages.server.taken();
    await opened(page);
    expect(await page.locator('#facts').textContent()).toMatch(/kept in this browser; the server still had/);
    expect(pages.server.taken().up.length).toBeLessThan(100_000);
    await page.locator('#paper').focus();
    await page.keyboard.press('Space');
    for (let i = 0; i < 16; i++) await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Space');
    await page.keyboard.press('Enter');
    await page.locator('#answer strong', { hasText: '1' }).waitFor(WAIT);
    await page.keyboard.press('Escape');
    expect(await page.locator('#preview').getAttribute('aria-label')).toBe('Nothing drawn yet');
  }, 120_000);

  test.each(Object.keys(FAULTS))(
    'where storage %s, the page works with keys for the session and says so',
    async (fault) => {
      await using context = await pages.browser.newContext();
      const page = await context.newPage();
      await page.addInitScript(`const Original = Worker;
      globalThis.Worker = class extends Original {
        constructor(_url, options) { super('/faults/${fault.replace(' ', '-')}.js', options); }
      };`);
      await opened(page);
      expect(await page.locator('#warnings').textContent()).toMatch(/keys end with this page: /);
      await page.locator('#sample').click();
      await page.locator('#answer strong', { hasText: '0' }).waitFor(WAIT);
    },
    120_000,
  );

  test('no finding of WCAG 2.2 AA, light and dark, before and after an answer', async () => {
    await using context = await pages.browser.newContext();
    const page = await context.newPage();
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.goto(pages.server.url);
      expect(await wcagFindings(page)).toEqual([]);
      await opened(page);
      expect(await wcagFindings(page)).toEqual([]);
    }
    await page.locator('#sample').click();
    await page.locator('#answer strong').waitFor(WAIT);
    expect(await wcagFindings(page)).toEqual([]);
  }, 120_000);

  test('the check sees a picture without a name and pale text', async () => {
    await using context = await pages.browser.newContext();
    const page = await context.newPage();
    await page.goto(pages.server.url);
    await page.evaluate(() => {
      const image = document.createElement('img');
      const text = document.createElement('p');
      text.textContent = 'pale';
      text.style.color = '#eee';
      document.querySelector('main')?.append(image, text);
    });
    expect(await wcagFindings(page)).toEqual(['image-alt', 'color-contrast'].sort());
  });
});
