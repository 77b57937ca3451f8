/** Draws in a page as a hand with a mouse does. */
import type { Page } from 'playwright-core';
import { SAMPLE_DIGITS } from '../../../src/apps/web/pages/sample-digits.ts';

export async function drawDigit(page: Page, digit: number): Promise<void> {
  await page.locator('#clear').click();
  await page.locator('#paper').scrollIntoViewIfNeeded();
  const box = await page.locator('#paper').boundingBox();
  if (box === null) throw new Error('there is no paper');
  for (const stroke of SAMPLE_DIGITS[digit] ?? []) {
    for (const [i, [x, y]] of stroke.entries()) {
      await page.mouse.move(box.x + (x * box.width) / 100, box.y + (y * box.height) / 100);
      if (i === 0) await page.mouse.down();
    }
    await page.mouse.up();
  }
}
