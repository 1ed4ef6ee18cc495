// What clinic staff see on their own page.

import { look, pageOf } from './people.mjs';

async function at(origin, path) {
  const page = await pageOf('the clinic', origin);
  const url = `${origin}${path}`;
  if (page.url() !== url) {
    await page.goto(url, { waitUntil: 'load' });
  }
  return page;
}

/** The list of patients, once it says so itself. */
export async function clinicList({ clinic, wanted, name }) {
  const page = await at(clinic, '/');
  await page.waitForFunction((text) => document.body.innerText.includes(text), wanted);
  await look(page, name);
  return { text: await page.locator('main').innerText() };
}

/** The patient's page, which follows by itself. */
export async function clinicCase({ clinic, study, wanted, name }) {
  const page = await at(clinic, `/case/${study}`);
  await page.waitForFunction((text) => document.body.innerText.includes(text), wanted);
  if (name) {
    await look(page, name);
  }
  return { text: await page.locator('main').innerText() };
}

/** The report on paper, as it is printed. */
export async function clinicPaper({ clinic, study, report, name }) {
  const page = await at(clinic, `/case/${study}/report/${report}/print`);
  await page.emulateMedia({ media: 'print' });
  await look(page, name);
  const text = await page.locator('main').innerText();
  const buttons = await page.locator('button, nav').evaluateAll((all) => all.filter((one) => one.checkVisibility()).length);
  await page.emulateMedia({ media: null });
  return { text, buttons };
}

/** The clinician has read it. */
export async function clinicHasRead({ clinic, study, report, name }) {
  const page = await at(clinic, `/case/${study}`);
  await page.locator(`#read-${report}`).click();
  await page.waitForSelector('.was-read');
  await look(page, name);
  return { text: await page.locator('main').innerText() };
}

/** A new box's only page: address and code are typed in. */
export async function setUpBox({ clinic, hub, code, name }) {
  const page = await at(clinic, '/');
  await page.locator('#hub').fill(hub);
  await page.locator('#code').fill(code);
  await page.locator('#set-up').click();
  await page.waitForSelector('#set-up-done, .card-form .alert');
  await look(page, name);
  return { text: await page.locator('main').innerText(), done: await page.locator('#set-up-done').count() === 1 };
}

/** The box's own page, which comes by itself once it is set up. */
export async function ownPageComes({ clinic, wanted, name }) {
  const page = await pageOf('the clinic', clinic);
  await page.waitForFunction((text) => document.body.innerText.includes(text), wanted);
  await look(page, name);
  return { text: await page.locator('body').innerText() };
}

/** Somebody of the clinic signs in with a PIN. */
export async function staffSignIn({ clinic, person, pin }) {
  const page = await pageOf(person, clinic);
  await page.goto(`${clinic}/sign-in`, { waitUntil: 'load' });
  await page.locator('#user').selectOption({ label: person });
  await page.locator('#pin').fill(pin);
  await press(page, '#sign-in');
  return { at: new URL(page.url()).pathname };
}

/** "What leaves this clinic", loaded anew. */
export async function policyPage({ clinic, person, language, name }) {
  const page = await pageOf(person, clinic);
  await page.goto(`${clinic}/policy?lang=${language}`, { waitUntil: 'load' });
  await look(page, name);
  return policyAs(page, 200);
}

/** Fills the form in and presses its button: boxes by the name of their field, lists and lines by theirs. */
export async function changePolicy({ person, boxes = {}, fields = {}, manager, pin, name }) {
  const page = await pageOf(person);
  for (const [field, on] of Object.entries(boxes)) {
    await page.locator(`form[action="/policy"] input[type=checkbox][name="${field}"]`).setChecked(on);
  }
  for (const [field, value] of Object.entries(fields)) {
    const line = page.locator(`form[action="/policy"] [name="${field}"]`);
    const isList = await line.evaluate((one) => one.tagName === 'SELECT');
    await (isList ? line.selectOption(value) : line.fill(value));
  }
  if (manager) {
    await page.locator('#manager').selectOption({ label: manager });
  }
  await page.locator('#pin').fill(pin);
  const status = await press(page, '#save');
  await look(page, name);
  return policyAs(page, status);
}

/** Asked once more, says yes, or not. */
export async function confirmPolicy({ person, pin, name }) {
  const page = await pageOf(person);
  await page.locator('#pin').fill(pin);
  const status = await press(page, '#confirm');
  await look(page, name);
  return policyAs(page, status);
}

async function press(page, selector) {
  const [answer] = await Promise.all([
    page.waitForNavigation({ waitUntil: 'load' }),
    page.locator(selector).click(),
  ]);
  return answer.status();
}

async function policyAs(page, status) {
  return {
    status,
    text: await page.locator('main').innerText(),
    hasForm: await page.locator('#save').count() === 1,
    freeText: await page.locator('form[action="/policy"] [name=free_text]:checked').count() === 1,
    asksAgain: await page.locator('#confirm').count() === 1,
    problem: (await page.locator('.alert[role=alert]').allInnerTexts()).join(' '),
    done: await page.locator('.alert.done').count() === 1,
  };
}
