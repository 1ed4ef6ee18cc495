// How long a reader waits, for the benchmark `reading`. All times in milliseconds.

import { freshCode } from './codes.mjs';
import { freshBrowserOf, pageOf } from './people.mjs';

const IMAGE = 'barefoot-viewer[data-drawn="image"]';

/** Each address so often, in turn: from the request to the last byte of the answer. */
export async function timed({ person, hub, paths, rounds }) {
  const { request } = (await pageOf(person, hub)).context();
  const times = Object.fromEntries(paths.map((path) => [path, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const path of paths) {
      const begun = performance.now();
      const answer = await request.get(hub + path);
      const body = await answer.body();
      times[path].push(performance.now() - begun);
      if (answer.status() !== 200 || body.length < 500) {
        throw new Error(`${path} answers ${answer.status()} with ${body.length} bytes`);
      }
    }
  }
  return times;
}

/** From asking for a case's page until the viewer has drawn something, and until it has drawn the image itself. In a browser
 * that was never here, and once more in the same one on another case. */
export async function firstPicture({ person, hub, cases }) {
  const context = await freshBrowserOf(person, hub);
  const waits = [];
  for (const at of cases) {
    const page = await context.newPage();
    const begun = performance.now();
    await page.goto(hub + at, { waitUntil: 'commit' });
    await page.waitForSelector('barefoot-viewer[data-drawn]', { timeout: 120_000 });
    const first = performance.now() - begun;
    await page.waitForSelector(IMAGE, { timeout: 300_000 });
    waits.push({ first, image: performance.now() - begun });
    await page.close();
  }
  await context.close();
  return waits;
}

/** A file of another server, from the request to its last byte. */
export async function download({ url }) {
  const begun = performance.now();
  const answer = await fetch(url);
  const { byteLength } = await answer.arrayBuffer();
  return { status: answer.status, bytes: byteLength, ms: performance.now() - begun };
}

const hidden = (html, name) => new RegExp(`name="${name}"(?: id="[a-z]*")? value="([^"]*)"`).exec(html)?.[1] ?? '';

/** Claims and signs one case after the other; the waits for the answer to each signature. */
export async function signAll({ person, hub, cases, password }) {
  const { request } = (await pageOf(person, hub)).context();
  const text = async (at) => (await request.get(hub + at)).text();
  const post = (at, form) => request.post(hub + at, { form, maxRedirects: 0, headers: { origin: hub } });
  const waits = [];
  for (const at of cases) {
    const claimed = await post(`${at}/claim`, { csrf: hidden(await text(at), 'csrf') });
    if (claimed.status() !== 303) {
      throw new Error(`claiming ${at} answers ${claimed.status()}`);
    }
    const page = await text(at);
    const form = {
      csrf: hidden(page, 'csrf'), revision: hidden(page, 'revision'), marks: '', description: '双肺纹理清晰。',
      impression: '心肺膈未见明显异常。', advice: '', password,
    };
    for (const [, name] of page.matchAll(/<select[^>]* name="(finding-[a-z_]+)"/g)) {
      form[name] = 'absent';
    }
    if (page.includes('name="code"')) {
      form.code = await freshCode(person);
    }
    const begun = performance.now();
    const signed = await post(`${at}/sign`, form);
    waits.push(performance.now() - begun);
    if (signed.status() !== 303) {
      throw new Error(`signing ${at} answers ${signed.status()}: ${(await signed.text()).slice(0, 2000)}`);
    }
  }
  return waits;
}

/** The addresses of a list's cases, page by page, until there are enough. */
export async function addresses({ person, hub, at, most }) {
  const { request } = (await pageOf(person, hub)).context();
  const found = new Set();
  for (let page = 1; found.size < most; page += 1) {
    const before = found.size;
    const html = await (await request.get(`${hub}${at}${at.includes('?') ? '&' : '?'}page=${page}`)).text();
    for (const [, address] of html.matchAll(/href="(\/cases\/[^"?]+)"/g)) {
      found.add(address);
    }
    if (found.size === before) {
      break;
    }
  }
  return [...found].slice(0, most);
}
