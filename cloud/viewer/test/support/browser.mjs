// Chromium, and a page that reports whatever went wrong in it.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';

import { chromium } from 'playwright-core';

const screenshots = new URL('../../../../target/screenshots/viewer/', import.meta.url).pathname;

export async function browse() {
  return chromium.launch({
    executablePath: process.env.BAREFOOT_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--font-render-hinting=none'],
  });
}

/** `faults` gathers errors, broken policies and requests to elsewhere. */
export async function open(browser, origin, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('console', (message) => {
    // What a test makes the server refuse, and its own looks at the canvas, the browser reports as well.
    if (['error', 'warning'].includes(message.type()) && !/status of 404|Multiple readback/.test(message.text())) {
      faults.push(`${message.type()}: ${message.text()}`);
    }
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && !['data:', 'blob:'].includes(url.protocol)) {
      faults.push(`request to ${url.href}`);
    }
  });
  await page.goto(`${origin}/page.html`);
  return { page, faults, done: async () => { await context.close(); assert.deepEqual(faults, []); } };
}

export async function picture(page, name) {
  mkdirSync(screenshots, { recursive: true });
  await page.screenshot({ path: `${screenshots}${name}.png` });
}

/** A plain picture as bytes, drawn by the browser: `shade(column, row)` gives red, green, blue, opacity. */
export async function drawn(browser, type, columns, rows, shade) {
  const page = await browser.newPage();
  const pixels = [];
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      pixels.push(...shade(column, row));
    }
  }
  const url = await page.evaluate(([kind, width, height, values]) => {
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    canvas.getContext('2d').putImageData(new ImageData(Uint8ClampedArray.from(values), width, height), 0, 0);
    return canvas.toDataURL(kind, 0.95);
  }, [type, columns, rows, pixels]);
  await page.close();
  return Buffer.from(url.split(',')[1], 'base64');
}

/** Brightness on the canvas of a pane at points of the image, which is fitted into it. */
export async function shades(page, points, { columns, rows, pane = 0 }) {
  return page.evaluate(([at, width, height, index]) => {
    const canvas = document.querySelectorAll('.bfv-canvas')[index];
    const scale = Math.min(canvas.width / width, canvas.height / height);
    const [left, top] = [(canvas.width - width * scale) / 2, (canvas.height - height * scale) / 2];
    const context = canvas.getContext('2d');
    return at.map(([column, row]) =>
      [...context.getImageData(Math.floor(left + column * scale), Math.floor(top + row * scale), 1, 1).data].slice(0, 3));
  }, [points, columns, rows, pane]);
}

/** Where on the page a point of the fitted image lies. */
export async function place(page, [column, row], { columns, rows, pane = 0 }) {
  return page.evaluate(([c, r, width, height, index]) => {
    const box = document.querySelectorAll('.bfv-stage')[index].getBoundingClientRect();
    const scale = Math.min(box.width / width, box.height / height);
    return [box.left + box.width / 2 + (c - width / 2) * scale, box.top + box.height / 2 + (r - height / 2) * scale];
  }, [column, row, columns, rows, pane]);
}

export async function drag(page, from, to) {
  await page.mouse.move(...from);
  await page.mouse.down();
  await page.mouse.move((from[0] + to[0]) / 2, (from[1] + to[1]) / 2, { steps: 4 });
  await page.mouse.move(...to, { steps: 4 });
  await page.mouse.up();
}

export async function state(page, wanted, pane = 0) {
  await page.waitForFunction(([text, index]) =>
    document.querySelectorAll('.bfv-stage')[index]?.dataset.state === text, [wanted, pane]);
}
