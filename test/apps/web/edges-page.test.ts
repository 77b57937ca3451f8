/**
 * The page with two edges: a real trained network, two real services on ports of their own, the device in the page's worker. What each edge
 * computes on says nothing of the drawing; what both have together is the drawing.
 */
import { describe, expect, test } from 'vitest';
import { mnistDrawing } from '../../../src/apps/web/pages/mnist-drawing.ts';
import { SAMPLE_DIGITS } from '../../../src/apps/web/pages/sample-digits.ts';
import { wcagFindings } from './accessibility.ts';
import { drawDigit } from './drawing.ts';
import { greysOf, openPage, servedPages } from './opened-page.ts';
import { chromiumAt, needsChromium } from './tapped-server.ts';

const WAIT = { timeout: 60_000 };

function correlation(x: readonly number[], y: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  const product = mean(x.map((value, i) => (value - mx) * (y[i]! - my)));
  const deviation = (values: readonly number[], m: number) =>
    Math.sqrt(mean(values.map((value) => (value - m) ** 2)));
  return product / (deviation(x, mx) * deviation(y, my));
}

describe.skipIf(chromiumAt === undefined)(`the page with two edges ${needsChromium}`, () => {
  const pages = servedPages();

  test('nine of ten drawn digits are read; each edge has noise, both together the drawing', async () => {
    const page = await pages.browser.newPage();
    const errors = await openPage(page, `${pages.server.url}/edges/`, /^Ready/, WAIT.timeout);
    const answers: string[] = [];
    for (let digit = 0; digit < 10; digit++) {
      await drawDigit(page, digit);
      const sentBefore = await page.locator('#sent-a').textContent();
      await page.locator('#ask').click();
      await page.waitForFunction(
        (before) => document.getElementById('sent-a')?.textContent !== before,
        sentBefore,
        WAIT,
      );
      answers.push((await page.locator('#answer strong').textContent()) ?? '');
      const drawing = [...(mnistDrawing(SAMPLE_DIGITS[digit]!) ?? [])];
      await expect.poll(() => greysOf(page, '#picture-both'), WAIT).toEqual([drawing]);
      for (const role of ['a', 'b'] as const) {
        const [words = []] = await greysOf(page, `#picture-${role}`);
        // 784 independent words: eight deviations of their correlation with anything.
        expect(Math.abs(correlation(words, drawing))).toBeLessThan(8 / 28);
        expect(new Set(words).size).toBeGreaterThan(200);
      }
    }
    expect(answers.filter((answer, digit) => answer === String(digit)).length).toBeGreaterThanOrEqual(9);
    expect(errors).toEqual([]);
    expect(await page.locator('#layers tr').count()).toBeGreaterThan(3);
    expect(await page.locator('#facts').textContent()).toMatch(/LeNet-5 .* for this page alone/);
    expect(await wcagFindings(page)).toEqual([]);
  }, 240_000);

  test('every visitor is a device of its own; an address without edges is said in one sentence', async () => {
    const files = await Promise.all(
      [1, 2].map(async () =>
        Buffer.from(await (await fetch(`${pages.server.url}/web/edges/device`)).arrayBuffer()),
      ),
    );
    // Other keys, from the first 16 bytes of the device's name on.
    expect(files[0]!.subarray(4, 52)).not.toEqual(files[1]!.subarray(4, 52));
    const page = await pages.browser.newPage();
    await page.route('**/web/edges', (route) => route.fulfill({ status: 404 }));
    await page.goto(`${pages.server.url}/edges/`);
    await page.locator('#status', { hasText: /has no edges for this page/ }).waitFor(WAIT);
  }, 120_000);
});
