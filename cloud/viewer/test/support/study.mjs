// A study as the hub would describe it, of pictures that are formulas.

import { part10, words } from './dicom.mjs';

export const COLUMNS = 320;
export const ROWS = 240;
export const WINDOW = { center: 1400, width: 2400 };

/** Rises to the right and, less, downwards; each slice a little brighter. */
export function gradient(column, row, slice = 0) {
  return column * 8 + row * 2 + slice * 100;
}

/** PS3.3 C.11.2.1.2.1, written down once more on its own. */
export function expected(value, { center, width } = WINDOW) {
  if (value <= center - 0.5 - (width - 1) / 2) {
    return 0;
  }
  if (value > center - 0.5 + (width - 1) / 2) {
    return 255;
  }
  return Math.round(((value - (center - 0.5)) / (width - 1) + 0.5) * 255);
}

const WINDOW_ELEMENTS = [['00281050', 'DS', String(WINDOW.center)], ['00281051', 'DS', String(WINDOW.width)]];

export function xray(uid, { slice = 0, spacing = null, modality = 'DX', further = [] } = {}) {
  return part10({
    uid, modality, rows: ROWS, columns: COLUMNS, stored: 12,
    pixels: words(ROWS, COLUMNS, (column, row) => gradient(column, row, slice)),
    further: [
      ...WINDOW_ELEMENTS, ['00200020', 'CS', ['L', 'F']],
      ...(spacing === null ? [] : [['00280030', 'DS', spacing]]), ...further,
    ],
  });
}

/** Describes files and puts them on the server. */
export class StudyMaker {
  constructor(files) {
    this.files = files;
    this.study = {
      quickLook: [], instances: [], series: [], prior: null, heatMaps: [], marks: [],
      findings: [{ code: 'pneumonia', label: 'Pneumonia' }, { code: 'effusion', label: 'Pleural effusion' }], mayMark: true,
    };
  }

  add(uid, series, content, { modality = 'DX', frames = 1, rows = ROWS, columns = COLUMNS, to = this.study, description = 'Chest' } = {}) {
    const url = `/files/${uid}.dcm`;
    this.files.set(url, content);
    to.instances.push({ url, instance: uid, series, frames, rows, columns, modality });
    const known = to.series.find((one) => one.uid === series);
    if (known === undefined) {
      to.series.push({ uid: series, description, instances: [uid] });
    } else {
      known.instances.push(uid);
    }
    return url;
  }

  prior(label) {
    this.study.prior = { label, quickLook: [], instances: [], series: [] };
    return this.study.prior;
  }

  publish() {
    this.files.set('/study.json', Buffer.from(JSON.stringify(this.study)));
  }
}
