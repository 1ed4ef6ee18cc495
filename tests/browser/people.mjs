// Chromium, and in it a window for each person. Whatever goes wrong in a page is kept until somebody asks.

import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const viewer = createRequire(new URL('../../cloud/viewer/package.json', import.meta.url));
const { chromium } = viewer('playwright-core');
const axe = readFileSync(viewer.resolve('axe-core/axe.min.js'), 'utf8');
const screenshots = new URL('../../target/screenshots/story/', import.meta.url).pathname;

/**
 * What the tests make the servers refuse, their own looks at the canvas, and that a page by plain HTTP is trusted less, the browser
 * reports as well.
 */
const EXPECTED = /status of (409|422|403)|Multiple readback|Opener-Policy header has been ignored, because the URL's origin was untrustworthy/;

let browser;
const windows = new Map();
const found = [];

export async function start() {
  mkdirSync(screenshots, { recursive: true });
  browser = await chromium.launch({
    executablePath: process.env.BAREFOOT_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--font-render-hinting=none'],
  });
}

export async function close() {
  await browser.close();
}

/** Somebody is sent to another server for a while: what its pages ask for, and whom, is its own affair. Nothing leaves the machine. */
export async function mayGoTo(person, other) {
  const own = windows.get(person);
  own.other = other;
  await own.context.route((url) => ![own.origin, other].includes(url.origin), (route) => route.fulfill({ body: '' }));
}

/** The page of somebody, who has cookies of their own. It may only speak to the server it was opened for. */
export async function pageOf(person, origin) {
  const known = windows.get(person);
  if (known) {
    known.origin = origin ?? known.origin;
    return known.page;
  }
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'zh-CN', timezoneId: 'Asia/Shanghai' });
  const own = { context, origin };
  own.page = await watched(own, person);
  windows.set(person, own);
  return own.page;
}

/** Another browser of somebody who is signed in: their cookies, nothing kept of any page. */
export async function freshBrowserOf(person, origin) {
  const storageState = await windows.get(person).context.storageState();
  return browser.newContext({ storageState, viewport: { width: 1440, height: 900 }, baseURL: origin });
}

async function watched(own, person) {
  const page = await own.context.newPage();
  page.setDefaultTimeout(60_000);
  const fault = (text) => found.push(`${person} at ${page.url()}: ${text}`);
  page.on('pageerror', (error) => fault(`error: ${error.message}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !EXPECTED.test(message.text()) && !own.unwatched) {
      fault(`${message.type()}: ${message.text()}`);
    }
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    const isElsewhere = own.other && (url.origin === own.other || new URL(request.frame().url()).origin === own.other);
    if (url.origin !== own.origin && !isElsewhere && !['data:', 'blob:'].includes(url.protocol)) {
      fault(`request to ${url.href}`);
    }
  });
  return page;
}

/** The browser dies: nothing is asked, nothing is saved. Cookies go with `forget`. */
export async function leave({ person, forget }) {
  const own = windows.get(person);
  await own.page.close({ runBeforeUnload: false });
  if (forget) {
    await own.context.close();
    windows.delete(person);
  } else {
    own.page = await watched(own, person);
  }
}

/** While a server is away, a page that cannot reach it is right to say so. */
export function unwatch(person, on) {
  windows.get(person).unwatched = on;
}

/** Pictures, of the screen and of the whole page, and accessibility of what is on the screen. */
export async function look(page, name) {
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.screenshot({ path: `${screenshots}${name}.png` });
  await page.screenshot({ path: `${screenshots}${name}-whole.png`, fullPage: true });
  // Through the inspector, which the page's policy does not bind.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run());
  for (const { id, impact, nodes } of violations) {
    if (['serious', 'critical'].includes(impact)) {
      found.push(`${name}: ${impact} ${id}: ${nodes.map((node) => node.html).join(' ')}`);
    }
  }
}

/** What went wrong since the last time. */
export function faults() {
  return found.splice(0);
}
