/**
 * The page of a data owner: nothing of its drawings leaves before it has seen what leaks and said yes; what leaves then holds no drawing; and
 * what the trainer has in the end is what was shown before.
 */
import { describe, expect, test } from 'vitest';
import { mnistDrawing } from '../../../src/apps/web/pages/mnist-drawing.ts';
import { SAMPLE_DIGITS } from '../../../src/apps/web/pages/sample-digits.ts';
import { wcagFindings } from './accessibility.ts';
import { Canaries } from './canary.ts';
import { drawDigit } from './drawing.ts';
import { greysOf, openPage, servedPages } from './opened-page.ts';
import { chromiumAt, needsChromium } from './tapped-server.ts';

const WAIT = { timeout: 120_000 };

describe.skipIf(chromiumAt === undefined)(`the page of a data owner ${needsChromium}`, () => {
  const pages = servedPages();

  test('measures, asks, encrypts: in this order, and what was measured is what the trainer gets', async () => {
    const { server, browser } = pages;
    const page = await browser.newPage();
    const errors = await openPage(page, `${server.url}/owner/`, /^Ready: draw a 0/, WAIT.timeout);
    server.taken();
    await drawDigit(page, 0);
    await page.locator('#add').click();
    await page.locator('#status', { hasText: /^Ready: draw a 1/ }).waitFor(WAIT);
    await page.locator('#rest').click();
    for (const id of ['#consent', '#send']) expect(await page.locator(id).isDisabled()).toBe(true);
    await page.locator('#measure').click();
    await page.locator('#status', { hasText: /^Measured/ }).waitFor(WAIT);
    expect(await page.locator('#leak-text').textContent()).toMatch(
      /Of 784 numbers .* 32 sums.* \d+ of 10 names/,
    );
    expect(await page.locator('#send').isDisabled()).toBe(true);
    // Until now nothing went up but requests for what is public.
    expect(server.taken().up.length).toBeLessThan(10_000);
    const measured = await greysOf(page, '#leak canvas');
    const drawn = await greysOf(page, '#drawings canvas');
    expect(drawn).toEqual(SAMPLE_DIGITS.map((strokes) => [...(mnistDrawing(strokes) ?? [])]));

    await page.locator('#consent').check();
    await page.locator('#send').click();
    await page.locator('#status', { hasText: /^Sent/ }).waitFor(WAIT);
    const { up, down } = server.taken();
    expect(up.length).toBeGreaterThan(100_000);
    const canaries = new Canaries();
    for (const drawing of drawn) canaries.addValues(drawing.map((value) => value / 255));
    expect(canaries.foundIn(up)).toBe(false);
    const planted = Buffer.concat([
      up.subarray(0, 999),
      Buffer.from(Float32Array.from(drawn[3]!, (value) => value / 255).buffer),
    ]);
    expect(canaries.foundIn(planted)).toBe(true);
    // What the trainer tells is what it made of sums, not the drawings.
    expect(canaries.foundIn(down)).toBe(false);
    const seen = await greysOf(page, '#seen canvas');
    expect(seen).toHaveLength(10);
    for (const [i, each] of seen.entries())
      expect(Math.max(...each.map((value, at) => Math.abs(value - measured[i]![at]!)))).toBeLessThan(4);
    expect(await page.locator('#sums').textContent()).toMatch(/^(-?\d+  ){31}-?\d+$/);
    expect(errors).toEqual([]);
    expect(await wcagFindings(page)).toEqual([]);
  }, 300_000);
});
