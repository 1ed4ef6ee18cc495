// What an expert does at the hub.

import { writeFile } from 'node:fs/promises';

import { freshCode, learn } from './codes.mjs';
import { look, mayGoTo, pageOf, unwatch } from './people.mjs';

/** Submits by a button and waits for the page that comes. */
async function press(page, selector) {
  const [answer] = await Promise.all([
    page.waitForNavigation({ waitUntil: 'load' }),
    page.locator(selector).click(),
  ]);
  return answer.status();
}

async function open(page, url) {
  const answer = await page.goto(url, { waitUntil: 'load' });
  return answer.status();
}

/** `link` is what the operator's console printed: whole where the hub knows its own address. */
export async function setUp({ person, hub, link, password }) {
  const page = await pageOf(person, hub);
  await open(page, new URL(link, hub).href);
  learn(person, await page.locator('code.key').innerText());
  await look(page, 'set-up');
  await page.locator('#password').fill(password);
  await page.locator('#repeated').fill(password);
  await page.locator('#first').fill(await freshCode(person));
  const status = await press(page, 'form[action="/set-up"] button[type=submit]');
  return { status, at: new URL(page.url()).pathname, text: await page.locator('main').innerText() };
}

/** Asks for `at`, is asked who they are, and stands there afterwards. */
export async function signIn({ person, hub, password, at }) {
  const page = await pageOf(person, hub);
  await open(page, hub + at);
  await page.waitForURL('**/sign-in**');
  await look(page, 'sign-in');
  await page.locator('#name').fill(person);
  await page.locator('#password').fill(password);
  await page.locator('#code').fill(await freshCode(person));
  const status = await press(page, 'form[action="/sign-in"] button[type=submit]');
  return { status, at: new URL(page.url()).pathname, text: await page.locator('main').innerText() };
}

/** Whether a page is somebody's who has signed in. */
const isIn = async (page) => await page.locator('nav.pages a[href="/account"]').count() === 1;

/** By the button on the sign-in page, as `subject` at the provider's own page; where that leads, and whether it is in. */
export async function signInByProvider({ person, hub, provider, subject, name }) {
  const page = await pageOf(person, hub);
  await mayGoTo(person, provider);
  await open(page, `${hub}/sign-in`);
  await look(page, `${name}-button`);
  const button = await page.locator('a.button').innerText();
  await page.locator('a.button').click();
  await page.waitForURL(`${provider}/**`);
  const there = await page.locator('main').innerText();
  const answers = [];
  page.on('response', (answer) => answers.push(answer));
  await page.locator(`button[name=sub][value="${subject}"]`).click();
  await page.waitForURL(`${hub}/**`, { waitUntil: 'load' });
  await look(page, name);
  const last = answers.filter((answer) => answer.request().isNavigationRequest()).at(-1);
  return {
    button, there, status: last.status(), at: new URL(page.url()).pathname,
    text: await page.locator('main').innerText(), isIn: await isIn(page),
  };
}

/** What the hub asks for itself where the provider proved one factor only. */
export async function showSecondFactor({ person, password, name }) {
  const page = await pageOf(person);
  await page.locator('#password').fill(password);
  await page.locator('#code').fill(await freshCode(person));
  const status = await press(page, 'form[action="/sign-in/oidc/second"] button[type=submit]');
  await look(page, name);
  return { status, at: new URL(page.url()).pathname, isIn: await isIn(page) };
}

/** Out of the hub, and from there out of the provider, which sends back. */
export async function signOutOfBoth({ person, hub, provider, name }) {
  const page = await pageOf(person);
  await press(page, 'form[action="/sign-out"] button');
  await look(page, name);
  const text = await page.locator('main').innerText();
  await page.locator('a[href="/sign-in/oidc/sign-out"]').click();
  await page.waitForURL(`${provider}/**`);
  await page.getByRole('button', { name: 'End session' }).click();
  await page.waitForURL(`${hub}/**`);
  const at = new URL(page.url()).pathname;
  await open(page, `${hub}/account`);
  return { text, at, afterwards: new URL(page.url()).pathname, isIn: await isIn(page) };
}

/** The list once it has so many cases, and the addresses of its cases. It follows by itself: nobody reloads it. */
export async function worklist({ person, hub, cases }) {
  const page = await pageOf(person, hub);
  if (new URL(page.url()).pathname !== '/worklist') {
    await open(page, `${hub}/worklist`);
  }
  await page.waitForFunction((wanted) => document.querySelectorAll('table.cases tbody tr').length === wanted, cases);
  await look(page, 'worklist');
  return {
    text: await page.locator('main').innerText(),
    addresses: await page.locator('table.cases tbody a').evaluateAll((links) => links.map((one) => one.getAttribute('href'))),
  };
}

/** Any page; `name` is its picture's. */
export async function see({ person, hub, at, name }) {
  const page = await pageOf(person, hub);
  const status = await open(page, hub + at);
  if (name) {
    await look(page, name);
  }
  const due = page.locator('.case-head time');
  return {
    status, at: new URL(page.url()).pathname, text: await page.locator('main').innerText(),
    due: await due.count() === 1 ? await due.getAttribute('datetime') : null,
    leadsToList: await page.locator('nav a[href="/worklist"]').count() === 1,
  };
}

export async function claim({ person, name }) {
  const page = await pageOf(person);
  const status = await press(page, '#claim');
  if (name) {
    await look(page, name);
  }
  return { status, text: await page.locator('main').innerText(), isMine: await page.locator('#report').count() === 1 };
}

/** Waits until the viewer has drawn the image itself, and gives its brightness at points of the image. */
export async function brightness({ person, points, columns, rows }) {
  const page = await pageOf(person);
  await page.waitForSelector('barefoot-viewer[data-drawn="image"]');
  await page.waitForFunction(() => document.querySelector('barefoot-viewer').dataset.looked?.startsWith('1/'));
  const shades = await page.evaluate(([at, width, height]) => {
    const canvas = document.querySelector('barefoot-viewer .bfv-canvas');
    const scale = Math.min(canvas.width / width, canvas.height / height);
    const [left, top] = [(canvas.width - width * scale) / 2, (canvas.height - height * scale) / 2];
    const context = canvas.getContext('2d', { willReadFrequently: true });
    return at.map(([column, row]) =>
      context.getImageData(Math.floor(left + column * scale), Math.floor(top + row * scale), 1, 1).data[0]);
  }, [points, columns, rows]);
  return { shades, looked: await page.locator('barefoot-viewer').getAttribute('data-looked') };
}

/** Writes, and waits until the page says by itself that the draft is kept. */
export async function write({ person, description, impression, advice, findings, name }) {
  const page = await pageOf(person);
  await page.locator('#description').fill(description);
  await page.locator('#impression').fill(impression);
  await page.locator('#advice').fill(advice);
  for (const [code, presence, side] of findings) {
    await page.locator(`#finding-${code}`).selectOption(presence);
    if (side) {
      await page.locator(`[name="side-${code}"]`).selectOption(side);
    }
  }
  await page.waitForFunction(() => {
    const saved = document.getElementById('saved');
    return saved.textContent.startsWith(saved.dataset.saved);
  });
  if (name) {
    await look(page, name);
  }
}

/** What stands in the form. */
export async function draft({ person }) {
  const page = await pageOf(person);
  const value = (id) => page.locator(`#${id}`).inputValue();
  return {
    description: await value('description'), impression: await value('impression'), advice: await value('advice'),
    saved: await page.locator('#saved').innerText(),
  };
}

/** With password, and with a code where the page asks for one. */
export async function sign({ person, password, name }) {
  const page = await pageOf(person);
  await page.locator('#report [name=password]').fill(password);
  const asked = await page.locator('#report [name=code]').count() === 1;
  if (asked) {
    await page.locator('#report [name=code]').fill(await freshCode(person));
  }
  const status = await press(page, '#sign');
  if (name) {
    await look(page, name);
  }
  const links = await page.locator('section.signed a').evaluateAll((all) => all.map((one) => one.getAttribute('href')));
  return { status, asked, text: await page.locator('main').innerText(), report: links[0]?.split('/')[2] ?? null };
}

/** A file from behind the sign-in, kept at `to`. */
export async function file({ person, hub, at, to }) {
  const page = await pageOf(person, hub);
  const answer = await page.context().request.get(hub + at);
  await writeFile(to, await answer.body());
  return { status: answer.status() };
}

export async function verify({ person, hub, report, name }) {
  const page = await pageOf(person, hub);
  await open(page, `${hub}/verify`);
  await page.locator('#report').fill(report);
  const status = await press(page, 'button.main');
  if (name) {
    await look(page, name);
  }
  return { status, text: await page.locator('main').innerText() };
}

/** While the hub is away, a page that cannot reach it is right to say so. */
export async function hubIsAway({ person, away }) {
  unwatch(person, away);
}
