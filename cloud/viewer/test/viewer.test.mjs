// The viewer in a real browser, under the policy of the case page.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { browse, drag, drawn, open, picture, place, shades, state } from './support/browser.mjs';
import { part10, words } from './support/dicom.mjs';
import { page as pageOf, serve } from './support/server.mjs';
import { COLUMNS, ROWS, StudyMaker, WINDOW, expected, gradient, xray } from './support/study.mjs';

const SIZE = { columns: COLUMNS, rows: ROWS };
const POINTS = [[20.5, 20.5], [100.5, 60.5], [160.5, 120.5], [250.5, 200.5], [310.5, 230.5]];

let server;
let browser;

before(async () => {
  server = await serve();
  browser = await browse();
});
after(async () => {
  await browser?.close();
  server?.close();
});
beforeEach(() => {
  server.files.clear();
  server.files.set('/page.html', pageOf());
});

async function assertGradient(page, { slice = 0, window = WINDOW, invert = false, pane = 0 } = {}) {
  const seen = await shades(page, POINTS, { ...SIZE, pane });
  POINTS.forEach(([column, row], index) => {
    const shade = expected(gradient(Math.floor(column), Math.floor(row), slice), window);
    const wanted = invert ? 255 - shade : shade;
    assert.ok(Math.abs(seen[index][0] - wanted) <= 2, `at ${column}, ${row}: ${seen[index]} for ${wanted}`);
  });
}

test('the small picture comes first and says so, then every pixel of the image', async () => {
  const maker = new StudyMaker(server.files);
  const url = maker.add('1.2.1', '1.2', xray('1.2.1'));
  const content = server.files.get(url);
  const small = await drawn(browser, 'image/jpeg', 64, 48, () => [200, 200, 200, 255]);
  server.files.set('/small.jpg', small);
  maker.study.quickLook.push({ url: '/small.jpg', instance: '1.2.1', rows: 48, columns: 64 });
  maker.publish();
  let release = () => {};
  const held = new Promise((resolve) => { release = resolve; });
  server.files.set(url, async (_, response) => {
    response.writeHead(200, { 'content-length': content.length });
    response.write(content.subarray(0, content.length / 2));
    await held;
    response.end(content.subarray(content.length / 2));
  });
  const { page, done } = await open(browser, server.origin);
  await page.evaluate(() => {
    window.heard = [];
    document.addEventListener('barefoot-drawn', (event) => window.heard.push(event.detail.kind));
    document.addEventListener('barefoot-looked', (event) => window.heard.push(`looked ${event.detail.seen}/${event.detail.of}`));
  });
  await state(page, 'preview');
  assert.equal(await page.locator('.bfv-preview').isVisible(), true);
  assert.equal(await page.getAttribute('barefoot-viewer', 'data-drawn'), 'quick-look');
  const [shade] = await shades(page, [[160, 120]], SIZE);
  assert.ok(Math.abs(shade[0] - 200) <= 3);
  await page.waitForFunction(() => /5\d %/.test(document.querySelector('.bfv-message').textContent));
  await picture(page, 'preview');
  release();
  await state(page, 'image');
  await assertGradient(page);
  assert.equal(await page.getAttribute('barefoot-viewer', 'data-drawn'), 'image');
  assert.equal(await page.locator('.bfv-preview').isVisible(), false);
  await page.waitForSelector('barefoot-viewer[data-looked="1/1"]');
  assert.equal(await page.evaluate(() => window.heard.at(-1)), 'looked 1/1');
  await picture(page, 'image');
  await done();
});

test('window, presets, inversion, turning, mirroring and zoom change what is drawn, reset brings it back', async () => {
  const maker = new StudyMaker(server.files);
  maker.add('1.2.1', '1.2', xray('1.2.1', { spacing: ['0.5', '0.5'] }));
  maker.publish();
  const { page, done } = await open(browser, server.origin);
  await state(page, 'image');
  await page.locator('.bfv-stage').focus();
  await page.keyboard.press('i');
  await page.waitForSelector('[data-action=invert][aria-pressed=true]');
  await assertGradient(page, { invert: true });
  await page.keyboard.press('i');
  const before = await shades(page, POINTS, SIZE);
  await drag(page, await place(page, [160, 120], SIZE), await place(page, [200, 160], SIZE));
  assert.notDeepEqual(await shades(page, POINTS, SIZE), before);
  assert.match(await page.textContent('.bfv-facts'), /W \d+ {2}L \d+/);
  await page.keyboard.press('1');
  await page.waitForFunction(() => document.querySelector('.bfv-facts').textContent.startsWith('W 2400  L 1400'));
  await assertGradient(page);
  // A quarter turn to the right carries the left edge to the top: bright at the bottom now.
  await page.keyboard.press('r');
  await page.waitForFunction(() => document.querySelector('.bfv-bottom').textContent === 'L');
  assert.deepEqual(await page.locator('.bfv-side').allTextContents(), ['R', 'H', 'L', 'F']);
  await page.keyboard.press('0');
  await page.keyboard.press('x');
  await page.waitForFunction(() => document.querySelector('.bfv-facts').textContent.includes('mirrored'));
  const [left, right] = await shades(page, [[20.5, 120.5], [300.5, 120.5]], SIZE);
  assert.ok(left[0] > right[0]);
  await page.keyboard.press('0');
  await page.keyboard.press('t');
  await page.waitForFunction(() => document.querySelector('.bfv-facts').textContent.includes('100 %'));
  await page.keyboard.press('f');
  await page.keyboard.press('0');
  await page.waitForFunction(() => !document.querySelector('.bfv-facts').textContent.includes('100 %'));
  await assertGradient(page);
  await done();
});

test('a stack is scrolled by wheel, keys and slider', async () => {
  const maker = new StudyMaker(server.files);
  const further = [['00281052', 'DS', '-1024'], ['00281053', 'DS', '1'], ['00281054', 'LO', 'HU'], ['00280030', 'DS', ['0.7', '0.7']]];
  for (let slice = 0; slice < 6; slice += 1) {
    const content = part10({
      uid: `1.3.${slice}`, modality: 'CT', rows: ROWS, columns: COLUMNS, stored: 12,
      pixels: words(ROWS, COLUMNS, (column, row) => gradient(column, row, slice)),
      further: [...further, ['00281050', 'DS', ['40', '-600']], ['00281051', 'DS', ['400', '1500']]],
    });
    maker.add(`1.3.${slice}`, '1.3', content, { modality: 'CT', description: 'Thorax' });
  }
  maker.publish();
  const { page, done } = await open(browser, server.origin);
  await state(page, 'image');
  const at = (index) => page.waitForFunction((text) =>
    document.querySelector('.bfv-place').textContent.endsWith(text)
    && document.querySelector('.bfv-stage').dataset.state === 'image', `${index} / 6`);
  const soft = { center: 40 + 1024, width: 400 };
  await assertGradient(page, { window: soft });
  await page.mouse.move(...await place(page, [160, 120], SIZE));
  await page.mouse.wheel(0, 100);
  await at(2);
  await assertGradient(page, { slice: 1, window: soft });
  await page.locator('.bfv-stage').focus();
  await page.keyboard.press('End');
  await at(6);
  await assertGradient(page, { slice: 5, window: soft });
  await page.keyboard.press('ArrowUp');
  await at(5);
  await page.locator('.bfv-pager input').fill('2');
  await at(2);
  // The window a reader chose stays while scrolling: lung is the third after the image's own two.
  await page.locator('.bfv-stage').focus();
  await page.keyboard.press('3');
  await page.keyboard.press('ArrowDown');
  await at(3);
  await assertGradient(page, { slice: 2, window: { center: -600 + 1024, width: 1500 } });
  await picture(page, 'stack');
  await done();
});

test('length, angle and grey values carry the unit they deserve', async () => {
  const maker = new StudyMaker(server.files);
  const further = [['00281052', 'DS', '-1000'], ['00281053', 'DS', '1']];
  maker.add('1.4.1', '1.4', xray('1.4.1', { modality: 'CT', spacing: ['0.5', '0.5'], further }), { modality: 'CT' });
  maker.add('1.5.1', '1.5', xray('1.5.1', { spacing: ['0.2', '0.2'] }), { description: 'AP' });
  maker.add('1.6.1', '1.6', xray('1.6.1'), { description: 'Lateral' });
  maker.publish();
  const { page, done } = await open(browser, server.origin);
  const labels = () => page.locator('.bfv-label').allTextContents();
  const draw = async (key, from, to) => {
    await page.locator('.bfv-stage').focus();
    await page.keyboard.press(key);
    await drag(page, await place(page, from, SIZE), await place(page, to, SIZE));
  };
  await state(page, 'image');
  await draw('l', [40, 40], [100, 120]);
  await page.waitForSelector('.bfv-label');
  assert.match((await labels())[0], /^(49\.9|50|50\.\d) mm$/);
  await page.keyboard.press('0');
  await draw('b', [40, 40], [60, 50]);
  await page.waitForFunction(() => document.querySelectorAll('.bfv-label').length === 3);
  const [mean, extremes, area] = await labels();
  // Columns 40 to 59, rows 40 to 49: the mean of 8·column + 2·row − 1000 is −515 and stays so to half a pixel at each edge.
  const value = Number(/Mean (-?[\d.]+) HU/.exec(mean)?.[1]);
  assert.ok(Math.abs(value - (8 * 49.5 + 2 * 44.5 - 1000)) < 6, mean);
  assert.match(extremes, /Min -\d+ · Max -\d+ HU/);
  assert.match(area, /^Area (49|50|51)(\.\d+)? mm²$/);
  await page.keyboard.press('0');
  await draw('e', [100, 60], [180, 140]);
  await page.waitForFunction(() => document.querySelectorAll('.bfv-label').length === 3);
  await page.locator('.bfv-stage').focus();
  await page.keyboard.press('a');
  await drag(page, await place(page, [220, 60], SIZE), await place(page, [220, 160], SIZE));
  await page.mouse.move(...await place(page, [300, 160], SIZE));
  await page.mouse.click(...await place(page, [300, 160], SIZE));
  await page.waitForFunction(() => [...document.querySelectorAll('.bfv-label')].some((one) => /^(89\.\d|90\.\d)°$/.test(one.textContent)));
  await picture(page, 'measured');
  await page.keyboard.press('n');
  await state(page, 'image');
  await draw('l', [40, 40], [100, 120]);
  await page.waitForFunction(() => document.querySelectorAll('.bfv-label').length === 2);
  assert.match((await labels()).join('|'), /^(19\.9|20|20\.\d) mm\|at the detector$/);
  await page.keyboard.press('n');
  await state(page, 'image');
  await draw('l', [40, 40], [100, 120]);
  await page.waitForFunction(() => document.querySelectorAll('.bfv-label').length === 2);
  assert.match((await labels()).join('|'), /^(99\.\d|100|100\.\d) px\|not calibrated$/);
  await done();
});

test('marks are drawn, filed, moved and removed, and the plain form posts them', async () => {
  const maker = new StudyMaker(server.files);
  maker.add('1.2.1', '1.2', xray('1.2.1'));
  maker.study.marks.push({
    id: 'old', instance: '1.2.1', frame: 1, shape: 'ellipse', points: [[200, 40], [260, 90]], finding: 'effusion',
  });
  maker.publish();
  server.files.set('/signed.html', Buffer.from('signed'));
  const { page, done } = await open(browser, server.origin);
  await page.evaluate(() => {
    window.heard = [];
    document.addEventListener('barefoot-marks', (event) => window.heard.push(event.detail.marks));
  });
  await state(page, 'image');
  const posted = () => page.evaluate(() => JSON.parse(document.querySelector('#marks').value));
  assert.equal((await posted())[0].id, 'old');
  await page.click('[data-action=markRectangle]');
  await drag(page, await place(page, [50, 60], SIZE), await place(page, [120, 100], SIZE));
  await page.waitForFunction(() => window.heard.length > 0);
  let marks = await posted();
  assert.equal(marks.length, 2);
  const { shape, instance, frame, finding, points } = marks[1];
  assert.deepEqual({ shape, instance, frame, finding }, { shape: 'rectangle', instance: '1.2.1', frame: 1, finding: 'pneumonia' });
  points.flat().forEach((value, index) => assert.ok(Math.abs(value - [50, 60, 120, 100][index]) < 0.6, String(points)));
  assert.deepEqual(await page.evaluate(() => window.heard.at(-1)), marks);

  // An outline point by point, closed by a double click.
  await page.locator('.bfv-stage').focus();
  await page.keyboard.press('Shift+P');
  for (const corner of [[150, 150], [220, 160], [190, 210]]) {
    await page.mouse.click(...await place(page, corner, SIZE));
  }
  await page.keyboard.press('Enter');
  marks = await posted();
  assert.equal(marks.length, 3);
  assert.equal(marks[2].shape, 'polygon');
  assert.equal(marks[2].points.length, 3);

  // Moved as a whole by its edge.
  await page.keyboard.press('w');
  await drag(page, await place(page, [50, 80], SIZE), await place(page, [70, 90], SIZE));
  marks = await posted();
  assert.ok(Math.abs(marks[1].points[0][0] - 70) < 1 && Math.abs(marks[1].points[0][1] - 70) < 1, JSON.stringify(marks[1]));

  await page.getByLabel('Finding to mark 2').selectOption('effusion');
  assert.equal((await posted())[1].finding, 'effusion');
  await picture(page, 'marks');
  await page.getByLabel('Remove 1').click();
  assert.deepEqual((await posted()).map((mark) => mark.shape), ['rectangle', 'polygon']);

  // On a turned and mirrored image the marks are still in pixels of the image as it came.
  await page.locator('.bfv-stage').focus();
  await page.keyboard.press('r');
  await page.keyboard.press('x');
  await page.keyboard.press('Shift+B');
  const turned = ([column, row]) => page.evaluate(([c, r, columns, rows]) => {
    const box = document.querySelector('.bfv-stage').getBoundingClientRect();
    const scale = Math.min(box.width / rows, box.height / columns);
    return [box.left + box.width / 2 + (r - rows / 2) * scale, box.top + box.height / 2 + (c - columns / 2) * scale];
  }, [column, row, COLUMNS, ROWS]);
  await drag(page, await turned([30, 200]), await turned([60, 220]));
  const onTurned = (await posted()).at(-1);
  onTurned.points.flat().forEach((value, index) =>
    assert.ok(Math.abs(value - [30, 200, 60, 220][index]) < 0.8, JSON.stringify(onTurned)));
  await page.keyboard.press('Delete');
  await page.keyboard.press('0');

  // By keyboard alone.
  await page.locator('.bfv-stage').focus();
  await page.keyboard.press('Shift+E');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Alt+ArrowRight');
  assert.equal((await posted()).at(-1).shape, 'ellipse');
  await page.keyboard.press('Delete');
  assert.equal((await posted()).length, 2);

  await page.fill('textarea', 'wlp');
  await page.click('#send');
  await page.waitForURL(/signed/);
  const sent = new URL(page.url()).searchParams;
  assert.equal(JSON.parse(sent.get('marks')).length, 2);
  assert.equal(sent.get('note'), 'wlp');
  await done();
});

test('without the right to mark nothing can be drawn into the report', async () => {
  const maker = new StudyMaker(server.files);
  maker.add('1.2.1', '1.2', xray('1.2.1'));
  maker.study.mayMark = false;
  maker.study.marks.push({ id: 'old', instance: '1.2.1', frame: 1, shape: 'rectangle', points: [[10, 10], [90, 90]], finding: 'effusion' });
  maker.publish();
  const { page, done } = await open(browser, server.origin);
  await state(page, 'image');
  await page.locator('.bfv-stage').focus();
  await page.keyboard.press('Shift+B');
  await drag(page, await place(page, [120, 60], SIZE), await place(page, [200, 100], SIZE));
  await drag(page, await place(page, [10, 50], SIZE), await place(page, [60, 60], SIZE));
  await page.keyboard.press('Delete');
  const marks = await page.evaluate(() => JSON.parse(document.querySelector('#marks').value));
  assert.deepEqual(marks.map((mark) => mark.points), [[[10, 10], [90, 90]]]);
  await done();
});

test('the heat map is hidden until the page allows it, then lies where it belongs', async () => {
  const maker = new StudyMaker(server.files);
  maker.add('1.2.1', '1.2', xray('1.2.1'));
  // Red in the upper left quarter only.
  const heat = await drawn(browser, 'image/png', 8, 8, (column, row) => [255, 0, 0, column < 4 && row < 4 ? 255 : 0]);
  let asked = 0;
  server.files.set('/heat.png', (_, response) => { asked += 1; response.writeHead(200, { 'content-type': 'image/png' }).end(heat); });
  maker.study.heatMaps.push({ instance: '1.2.1', frame: 1, url: '/heat.png', finding: 'pneumonia', label: 'Pneumonia' });
  maker.study.heatMaps.push({ instance: '1.2.1', frame: 1, url: '/heat.png?2', finding: 'effusion', label: 'Pleural effusion' });
  maker.publish();
  server.files.set('/page.html', pageOf({ attributes: 'data-ai-hidden' }));
  const { page, done } = await open(browser, server.origin);
  await state(page, 'image');
  await page.locator('.bfv-stage').focus();
  await page.keyboard.press('h');
  assert.equal(await page.locator('[data-action=heatMap]').isVisible(), false);
  assert.equal(asked, 0);
  await page.evaluate(() => document.querySelector('barefoot-viewer').removeAttribute('data-ai-hidden'));
  await page.waitForSelector('[data-action=heatMap]:visible');
  if (await page.getAttribute('[data-action=heatMap]', 'aria-pressed') !== 'true') {
    await page.keyboard.press('h');
  }
  await page.waitForSelector('.bfv-heat[visibility=visible]');
  // The page itself may show no data: picture.
  const plain = await browser.newPage();
  const red = async (point) => {
    const [x, y] = await place(page, point, SIZE);
    const shot = await page.screenshot({ clip: { x: Math.floor(x), y: Math.floor(y), width: 1, height: 1 } });
    return plain.evaluate(async (data) => {
      const image = new Image();
      image.src = `data:image/png;base64,${data}`;
      await image.decode();
      const canvas = document.createElement('canvas');
      const context = canvas.getContext('2d');
      context.drawImage(image, 0, 0);
      const [r, g] = context.getImageData(0, 0, 1, 1).data;
      return r - g;
    }, shot.toString('base64'));
  };
  for (let tries = 0; tries < 50 && await red([80, 60]) < 100; tries += 1) {
    await page.waitForTimeout(20);
  }
  assert.ok(await red([80, 60]) > 100);
  assert.ok(await red([240, 180]) < 5);
  assert.equal(await page.textContent('.bfv-model'), 'AI heat map: Pneumonia');
  await picture(page, 'heat-map');
  await page.getByRole('combobox', { name: 'AI heat map' }).selectOption('effusion');
  await page.waitForFunction(() => document.querySelector('.bfv-model').textContent === 'AI heat map: Pleural effusion');
  await page.keyboard.press('h');
  await page.waitForSelector('.bfv-heat[visibility=hidden]', { state: 'attached' });
  assert.ok(await red([80, 60]) < 5);
  await plain.close();
  await done();
});

test('the prior stands beside, named, and follows', async () => {
  const maker = new StudyMaker(server.files);
  const prior = maker.prior('2025-03-01');
  for (let slice = 0; slice < 3; slice += 1) {
    maker.add(`1.3.${slice}`, '1.3', xray(`1.3.${slice}`, { slice, modality: 'MR' }), { modality: 'MR' });
    maker.add(`1.9.${slice}`, '1.9', xray(`1.9.${slice}`, { slice: slice + 5, modality: 'MR' }), { modality: 'MR', to: prior });
  }
  maker.publish();
  const { page, done } = await open(browser, server.origin);
  await state(page, 'image');
  await page.locator('.bfv-stage').first().focus();
  await page.keyboard.press('c');
  await state(page, 'image', 1);
  await state(page, 'image', 0);
  await assertGradient(page);
  await assertGradient(page, { slice: 5, pane: 1 });
  assert.equal(await page.locator('[data-origin=prior] .bfv-origin').textContent(), 'Prior · 2025-03-01');
  await page.keyboard.press('ArrowDown');
  await page.waitForFunction(() => [...document.querySelectorAll('.bfv-place')].every((one) => one.textContent.endsWith('2 / 3')));
  await page.keyboard.press('k');
  await page.keyboard.press('ArrowDown');
  await page.waitForFunction(() => document.querySelectorAll('.bfv-place')[0].textContent.endsWith('3 / 3'));
  assert.match(await page.locator('.bfv-place').nth(1).textContent(), /2 \/ 3$/);
  // Marks belong on the current images.
  await page.locator('.bfv-stage').nth(1).focus();
  await page.waitForSelector('[data-action=markRectangle]:disabled');
  await picture(page, 'side-by-side');
  await done();
});

test('an image that has not arrived is its quick look, and is asked for by nobody', async () => {
  const maker = new StudyMaker(server.files);
  maker.add('1.2.1', '1.2', Buffer.alloc(0));
  maker.study.instances[0].url = null;
  server.files.set('/small.jpg', await drawn(browser, 'image/jpeg', 64, 48, () => [90, 90, 90, 255]));
  maker.study.quickLook.push({ url: '/small.jpg', instance: '1.2.1', rows: 48, columns: 64 });
  maker.publish();
  const { page, done } = await open(browser, server.origin);
  await state(page, 'preview');
  assert.match(await page.textContent('.bfv-message'), /not arrived at the hub yet/);
  // Nothing is measured or marked on it.
  await page.locator('.bfv-stage').focus();
  await page.keyboard.press('Shift+B');
  await drag(page, await place(page, [120, 60], SIZE), await place(page, [200, 100], SIZE));
  assert.equal(await page.inputValue('#marks'), '[]');
  await done();
});

test('frames of one file are a stack; MONOCHROME1 and a sigmoid are drawn as they mean', async () => {
  const maker = new StudyMaker(server.files);
  const frames = Buffer.concat([0, 1, 2].map((slice) => words(ROWS, COLUMNS, (column, row) => gradient(column, row, slice))));
  const content = part10({
    uid: '1.2.1', modality: 'XA', rows: ROWS, columns: COLUMNS, frames: 3, stored: 12, photometric: 'MONOCHROME1', pixels: frames,
    further: [['00281050', 'DS', String(WINDOW.center)], ['00281051', 'DS', String(WINDOW.width)]],
  });
  maker.add('1.2.1', '1.2', content, { modality: 'XA', frames: 3 });
  maker.add('1.3.1', '1.3', xray('1.3.1', { further: [['00281056', 'CS', 'SIGMOID']] }), { description: 'Sigmoid' });
  maker.publish();
  const { page, done } = await open(browser, server.origin);
  await state(page, 'image');
  await assertGradient(page, { invert: true });
  await page.locator('.bfv-stage').focus();
  await page.keyboard.press('End');
  await page.waitForFunction(() => document.querySelector('.bfv-place').textContent.endsWith('3 / 3')
    && document.querySelector('.bfv-stage').dataset.state === 'image');
  await assertGradient(page, { slice: 2, invert: true });
  await page.keyboard.press('n');
  await page.waitForFunction(() => document.querySelector('.bfv-place').textContent.endsWith('1 / 1')
    && document.querySelector('.bfv-stage').dataset.state === 'image');
  const seen = await shades(page, POINTS, SIZE);
  POINTS.forEach(([column, row], index) => {
    const value = gradient(Math.floor(column), Math.floor(row));
    const wanted = 255 / (1 + Math.exp((-4 * (value - WINDOW.center)) / WINDOW.width));
    assert.ok(Math.abs(seen[index][0] - wanted) <= 3, `${seen[index]} for ${wanted}`);
  });
  await done();
});

test('a damaged image, a missing one and one of another size say so, and the others are there', async () => {
  const maker = new StudyMaker(server.files);
  maker.add('1.2.1', '1.2', xray('1.2.1').subarray(0, 2000), { description: 'Cut off' });
  const missing = maker.add('1.3.1', '1.3', Buffer.alloc(0), { description: 'Missing' });
  maker.add('1.4.1', '1.4', xray('1.4.1'), { rows: ROWS + 1, description: 'Other size' });
  maker.add('1.5.1', '1.5', Buffer.from('<html>not DICOM</html>'), { description: 'No DICOM' });
  const good = maker.add('1.6.1', '1.6', xray('1.6.1'), { description: 'Good' });
  maker.publish();
  const repaired = xray('1.3.1');
  server.files.delete(missing);
  const { page, faults } = await open(browser, server.origin);
  const message = () => page.textContent('.bfv-message');
  await state(page, 'broken');
  assert.match(await message(), /cannot be shown.*damaged/);
  assert.doesNotMatch(await message(), /object|undefined/);
  await picture(page, 'broken');
  await page.locator('.bfv-stage').focus();
  await page.keyboard.press('n');
  await page.waitForFunction(() => /answered 404/.test(document.querySelector('.bfv-message').textContent));
  await page.keyboard.press('n');
  await page.waitForFunction(() => /not what the hub has on record/.test(document.querySelector('.bfv-message').textContent));
  await page.keyboard.press('n');
  await page.waitForFunction(() => /damaged or of a kind/.test(document.querySelector('.bfv-message').textContent));
  await page.keyboard.press('n');
  await state(page, 'image');
  await assertGradient(page);
  assert.ok(server.files.has(good));
  server.files.set(missing, repaired);
  await page.selectOption('.bfv-head select', '1');
  await state(page, 'broken');
  await page.click('.bfv-retry');
  await state(page, 'image');
  await assertGradient(page);
  assert.deepEqual(faults, []);
  await page.context().close();
});

test('a description with a mistake in it shows no image at all, and names the mistake', async () => {
  const maker = new StudyMaker(server.files);
  maker.add('1.2.1', '1.2', xray('1.2.1'));
  maker.study.instances[0].url = 'https://elsewhere.example/1.dcm';
  maker.publish();
  const { page, done } = await open(browser, server.origin);
  await page.waitForSelector('[role=alert]');
  assert.match(await page.textContent('[role=alert]'), /study\.instances\[0\]\.url is no address of this server/);
  await done();
});

test('a large X-ray is averaged, not picked from: a fine pattern becomes even grey', async () => {
  const maker = new StudyMaker(server.files);
  const content = part10({
    uid: '1.2.1', rows: 2000, columns: 2400, stored: 12,
    pixels: words(2000, 2400, (column, row) => ((column + row) % 2 === 0 ? 0 : 4000)),
    further: [['00281050', 'DS', '2000'], ['00281051', 'DS', '4001']],
  });
  maker.add('1.2.1', '1.2', content, { rows: 2000, columns: 2400 });
  maker.publish();
  const { page, done } = await open(browser, server.origin);
  await state(page, 'image');
  const seen = await shades(page, [[100, 100], [701, 333], [1203, 1001], [2000, 1800]], { columns: 2400, rows: 2000 });
  seen.forEach(([shade]) => assert.ok(Math.abs(shade - 127) < 4, String(seen)));
  await done();
});

test('a phone: one finger uses the tool, two zoom, nothing is wider than the screen', async () => {
  const maker = new StudyMaker(server.files);
  maker.add('1.2.1', '1.2', xray('1.2.1'));
  maker.publish();
  server.files.set('/page.html', pageOf({ language: 'zh' }));
  const { page, done } = await open(browser, server.origin, {
    viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true,
  });
  await state(page, 'image');
  await assertGradient(page);
  const zoom = async () => Number(/(\d+) %/.exec(await page.textContent('.bfv-facts'))[1]);
  const before = await zoom();
  const session = await page.context().newCDPSession(page);
  const [x, y] = await place(page, [160, 120], SIZE);
  const touch = (type, spread) => session.send('Input.dispatchTouchEvent', {
    type, touchPoints: spread === null ? [] : [{ x: x - spread, y, id: 0 }, { x: x + spread, y, id: 1 }],
  });
  await touch('touchStart', 30);
  for (const spread of [40, 50, 60, 75, 90]) {
    await touch('touchMove', spread);
  }
  await touch('touchEnd', null);
  await page.waitForFunction((least) => Number(/(\d+) %/.exec(document.querySelector('.bfv-facts').textContent)[1]) > least, before * 2);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), true);
  await picture(page, 'phone');
  await done();
});

test('the help names every key, and every control is reachable and named', async () => {
  const maker = new StudyMaker(server.files);
  maker.add('1.2.1', '1.2', xray('1.2.1', { spacing: ['0.2', '0.2'] }));
  maker.add('1.2.2', '1.2', xray('1.2.2', { slice: 3 }));
  maker.publish();
  server.files.set('/page.html', pageOf({ language: 'zh' }));
  const { page, done } = await open(browser, server.origin);
  await state(page, 'image');
  const { readFileSync } = await import('node:fs');
  const axe = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
  const serious = async () => {
    // Through the inspector, which the page's policy does not bind.
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run());
    return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
      .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`);
  };
  assert.deepEqual(await serious(), []);
  await page.locator('.bfv-stage').focus();
  await page.keyboard.press('?');
  await page.waitForSelector('dialog[open]');
  assert.ok(await page.locator('dialog kbd').count() >= 30);
  assert.deepEqual(await serious(), []);
  await picture(page, 'help');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog[open]', { state: 'hidden' });
  await picture(page, 'chinese');
  await done();
});
