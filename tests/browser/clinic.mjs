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
