/** What the tests of a page share: a server of their own and a Chromium, pages that are watched for errors, greys of pictures. */
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { chromiumAt, type TappedServer, tappedWebServer } from './tapped-server.ts';

export interface ServedPages {
  readonly server: TappedServer;
  readonly browser: Browser;
}

/** Opened before the tests of the suite that calls this, and closed after them. `texts` are served by path besides the pages. */
export function servedPages(texts?: ReadonlyMap<string, string>): ServedPages {
  let [server, browser]: [TappedServer?, Browser?] = [];
  beforeAll(async () => {
    [server, browser] = await Promise.all([
      tappedWebServer(texts),
      chromium.launch({ executablePath: chromiumAt as string, args: ['--no-sandbox'] }),
    ]);
  }, 240_000);
  afterAll(async () => {
    await browser?.close();
    await server?.[Symbol.asyncDispose]();
  });
  return {
    get server() {
      return server as TappedServer;
    },
    get browser() {
      return browser as Browser;
    },
  };
}

/** Goes to a page and waits for its status; what the page reports wrong from then on is in the list. */
export async function openPage(page: Page, url: string, status: RegExp, timeout: number): Promise<string[]> {
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.goto(url);
  await page.locator('#status', { hasText: status }).waitFor({ timeout });
  return errors;
}

/** Greys of every picture of 28 x 28 that the selector finds. */
export const greysOf = (page: Page, selector: string): Promise<number[][]> =>
  page.evaluate(
    (wanted) =>
      [...document.querySelectorAll<HTMLCanvasElement>(wanted)].map((canvas) => {
        const { data } = canvas.getContext('2d')!.getImageData(0, 0, 28, 28);
        return Array.from({ length: 784 }, (_, i) => data[4 * i]!);
      }),
    selector,
  );
