// Every transfer syntax a hub may hold, drawn in the browser and compared with the native picture.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, beforeEach, test } from 'node:test';

import { browse, drawn, open, shades, state } from './support/browser.mjs';
import { part10, rle, words } from './support/dicom.mjs';
import { page as pageOf, serve } from './support/server.mjs';
import { COLUMNS, ROWS, StudyMaker, WINDOW, expected, gradient } from './support/study.mjs';

const require = createRequire(import.meta.url);
const SIZE = { columns: COLUMNS, rows: ROWS };
const POINTS = [[20.5, 20.5], [100.5, 60.5], [160.5, 120.5], [250.5, 200.5], [310.5, 230.5]];
const CORPUS = new URL('../../../../shared/data/dicom-core/files/robyoung+dicom-test-files/data/WG04/', import.meta.url);

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

const native = words(ROWS, COLUMNS, gradient);
const frame = { width: COLUMNS, height: ROWS, bitsPerSample: 16, isSigned: false, componentCount: 1, isUsingColorTransform: false };

/** What Cornerstone's packages can write, they are asked to write. */
async function encoded(factory, name, prepare = () => {}) {
  const codec = await factory();
  const encoder = new codec[name]();
  encoder.getDecodedBuffer(frame).set(native);
  prepare(encoder);
  encoder.encode();
  return Uint8Array.from(encoder.getEncodedBuffer());
}

const SYNTAXES = {
  'RLE': ['1.2.840.10008.1.2.5', async () => rle(native)],
  'JPEG-LS': ['1.2.840.10008.1.2.4.80', () => encoded(require('@cornerstonejs/codec-charls'), 'JpegLSEncoder')],
  'JPEG 2000': ['1.2.840.10008.1.2.4.90', () => encoded(require('@cornerstonejs/codec-openjpeg'), 'J2KEncoder')],
  'HTJ2K': ['1.2.840.10008.1.2.4.201', () => encoded(require('@cornerstonejs/codec-openjph'), 'HTJ2KEncoder', (encoder) => {
    encoder.setQuality(true, 0);
  })],
};

for (const [name, [syntax, encode]] of Object.entries(SYNTAXES)) {
  test(`${name} is drawn as the native picture is`, async () => {
    const maker = new StudyMaker(server.files);
    maker.add('1.2.1', '1.2', part10({
      uid: '1.2.1', syntax, rows: ROWS, columns: COLUMNS, pixels: [Buffer.from(await encode())],
      further: [['00281050', 'DS', String(WINDOW.center)], ['00281051', 'DS', String(WINDOW.width)]],
    }));
    maker.publish();
    const { page, done } = await open(browser, server.origin);
    await state(page, 'image');
    const seen = await shades(page, POINTS, SIZE);
    POINTS.forEach(([column, row], index) => {
      const wanted = expected(gradient(Math.floor(column), Math.floor(row)));
      assert.ok(Math.abs(seen[index][0] - wanted) <= 2, `at ${column}, ${row}: ${seen[index]} for ${wanted}`);
    });
    await done();
  });
}

for (const [name, [syntax, encode]] of Object.entries(SYNTAXES)) {
  test(`damaged ${name} is no picture, least of all the one before it, and the next one is whole`, async () => {
    const bytes = Buffer.from(await encode());
    const noise = Buffer.from(bytes);
    for (let at = 4; at < 60; at += 1) {
      noise[at] = (noise[at] * 31 + at) & 0xff;
    }
    const variants = [bytes, bytes.subarray(0, 100), bytes, bytes.subarray(0, bytes.length / 2), noise, Buffer.alloc(64), bytes];
    const maker = new StudyMaker(server.files);
    variants.forEach((pixels, index) => maker.add(`1.2.${index}`, '1.2', part10({
      uid: `1.2.${index}`, syntax, modality: 'CT', rows: ROWS, columns: COLUMNS, pixels: [pixels],
      further: [['00281050', 'DS', String(WINDOW.center)], ['00281051', 'DS', String(WINDOW.width)]],
    }), { modality: 'CT' }));
    maker.publish();
    const { page } = await open(browser, server.origin);
    for (const [index, pixels] of variants.entries()) {
      await page.waitForFunction((text) => document.querySelector('.bfv-place')?.textContent.endsWith(text)
        && ['broken', 'image'].includes(document.querySelector('.bfv-stage').dataset.state), `${index + 1} / ${variants.length}`);
      assert.equal(await page.getAttribute('.bfv-stage', 'data-state'), pixels === bytes ? 'image' : 'broken', `variant ${index}`);
      const seen = await shades(page, POINTS, SIZE);
      POINTS.forEach(([column, row], place) => {
        const wanted = pixels === bytes ? expected(gradient(Math.floor(column), Math.floor(row))) : 0;
        assert.ok(Math.abs(seen[place][0] - wanted) <= 2, `variant ${index}: ${seen[place]} for ${wanted}`);
      });
      await page.locator('.bfv-stage').focus();
      await page.keyboard.press('ArrowDown');
    }
    await page.context().close();
  });
}

test('colours stay colours: native RGB, baseline JPEG, palette', async () => {
  const colour = (column, row) => (column < 160 ? [200, 60, 40] : row < 120 ? [40, 180, 60] : [50, 70, 210]);
  const rgb = Buffer.alloc(ROWS * COLUMNS * 3);
  const indexes = Buffer.alloc(ROWS * COLUMNS);
  for (let row = 0; row < ROWS; row += 1) {
    for (let column = 0; column < COLUMNS; column += 1) {
      rgb.set(colour(column, row), (row * COLUMNS + column) * 3);
      indexes[row * COLUMNS + column] = column < 160 ? 0 : row < 120 ? 1 : 2;
    }
  }
  const jpeg = await drawn(browser, 'image/jpeg', COLUMNS, ROWS, (column, row) => [...colour(column, row), 255]);
  const table = (values) => { const bytes = Buffer.alloc(512); values.forEach((value, at) => bytes.writeUInt16LE(value << 8, at * 2)); return bytes; };
  const descriptor = ['US', [256, 0, 16]];
  const shape = { modality: 'US', rows: ROWS, columns: COLUMNS, bits: 8 };
  const files = {
    native: part10({ ...shape, uid: '1.2.1', samples: 3, photometric: 'RGB', pixels: rgb }),
    jpeg: part10({ ...shape, uid: '1.2.1', samples: 3, photometric: 'YBR_FULL_422', syntax: '1.2.840.10008.1.2.4.50', pixels: [jpeg], further: [['00281050', 'DS', '5000'], ['00281051', 'DS', '9']] }),
    palette: part10({
      ...shape, uid: '1.2.1', photometric: 'PALETTE COLOR', pixels: indexes,
      further: [
        ['00281101', ...descriptor], ['00281102', ...descriptor], ['00281103', ...descriptor],
        ['00281201', 'OW', table([200, 40, 50])], ['00281202', 'OW', table([60, 180, 70])], ['00281203', 'OW', table([40, 60, 210])],
      ],
    }),
  };
  for (const [name, content] of Object.entries(files)) {
    const maker = new StudyMaker(server.files);
    maker.add('1.2.1', '1.2', content, { modality: 'US' });
    maker.publish();
    const { page, done } = await open(browser, server.origin);
    await state(page, 'image');
    const seen = await shades(page, [[80, 60], [240, 60], [240, 180]], SIZE);
    [[200, 60, 40], [40, 180, 60], [50, 70, 210]].forEach((wanted, index) => {
      wanted.forEach((value, part) => assert.ok(Math.abs(seen[index][part] - value) <= 8, `${name}: ${seen[index]} for ${wanted}`));
    });
    await done();
  }
});

const FAMILIES = {
  CT2: { first: 'REF/CT2_UNC', others: ['J2KR/CT2_J2KR', 'JLSL/CT2_JLSL', 'JPLL/CT2_JPLL', 'RLE/CT2_RLE'], rows: 512, columns: 512, modality: 'CT' },
  XA1: { first: 'REF/XA1_UNC', others: ['J2KR/XA1_J2KR', 'JLSL/XA1_JLSL', 'JPLL/XA1_JPLL', 'RLE/XA1_RLE'], rows: 1024, columns: 1024, modality: 'XA' },
};

for (const [name, { first, others, rows, columns, modality }] of Object.entries(FAMILIES)) {
  test(`${name} of real scanners: each lossless encoding gives the same pixels`, { skip: !existsSync(CORPUS) }, async () => {
    const hashes = [];
    for (const path of [first, ...others]) {
      const maker = new StudyMaker(server.files);
      maker.add('1.2.1', '1.2', readFileSync(new URL(path, CORPUS)), { rows, columns, modality });
      maker.publish();
      const { page, done } = await open(browser, server.origin);
      await state(page, 'image');
      hashes.push(await page.evaluate(async () => {
        const canvas = document.querySelector('.bfv-canvas');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return [...data].reduce((sum, value) => (sum * 31 + value) % 1_000_000_007, 7);
      }));
      await done();
    }
    assert.equal(new Set(hashes).size, 1, hashes.join(' '));
  });
}
