/** Takes DICOM files apart beside the page's own thread: a large image never makes the page wait. */

import { parseDicom } from 'dicom-parser';
import type { DataSet } from 'dicom-parser';

import type { Picture } from '../picture';
import { decode } from './codecs';
import { toRgb } from './colour';
import { readHeader } from './header';
import type { Header } from './header';

export type Request =
  | { id: number; open: string; bytes: ArrayBuffer }
  | { id: number; file: string; frame: number };

export type Answer =
  | { id: number; opened: true }
  | { id: number; picture: Picture }
  | { id: number; failed: string };

const files = new Map<string, DataSet>();

self.addEventListener('message', (event: MessageEvent<Request>) => {
  const request = event.data;
  answer(request).catch((error: unknown) => {
    const failed = error instanceof Error ? error.message : said(error);
    self.postMessage({ id: request.id, failed } satisfies Answer);
  });
});

/** Decoders throw texts and numbers, the parser an object with what it has read so far: of that the reason only. */
function said(thrown: unknown): string {
  if (typeof thrown === 'object' && thrown !== null) {
    const { exception } = thrown as { exception?: unknown };
    return exception instanceof Error ? exception.message : typeof exception === 'string' ? exception : '';
  }
  return String(thrown);
}

async function answer(request: Request): Promise<void> {
  if ('open' in request) {
    const file = parseDicom(new Uint8Array(request.bytes));
    // An unreadable header is said at once.
    readHeader(file, 0);
    files.set(request.open, file);
    self.postMessage({ id: request.id, opened: true } satisfies Answer);
    return;
  }
  const file = files.get(request.file);
  if (file === undefined) {
    throw new Error('the file is not open');
  }
  const picture = await draw(file, request.frame - 1);
  const buffer = (picture.pixels as Uint8ClampedArray).buffer as ArrayBuffer;
  self.postMessage({ id: request.id, picture } satisfies Answer, { transfer: [buffer] });
}

async function draw(file: DataSet, frame: number): Promise<Picture> {
  const header = readHeader(file, frame);
  if (frame < 0 || frame >= header.frames) {
    throw new Error(`no frame ${frame + 1}`);
  }
  const decoded = await decode(file, header, frame);
  const isColour = header.samples > 1 || header.palette !== null;
  const wanted = header.rows * header.columns * (header.palette === null ? header.samples : 1);
  const halved = header.photometric === 'YBR_FULL_422' && !decoded.isRgb ? wanted / 3 * 2 : wanted;
  if (decoded.values.length < halved) {
    throw new Error('fewer pixels than the header says');
  }
  const pixels = isColour ? toRgb(decoded, header) : toGrey(decoded.values, header);
  const [least, most] = isColour ? [0, 255] : extremes(pixels, header);
  return {
    rows: header.rows,
    columns: header.columns,
    pixels,
    components: isColour ? 3 : 1,
    least,
    most,
    inverted: header.photometric === 'MONOCHROME1',
    modality: header.modality,
    ...header.shown,
    // Windows are for grey values.
    ...(isColour ? { windows: [], curve: 'LINEAR', table: null } : {}),
  };
}

/** Without what lies above the stored bits, and as the modality means it. */
function toGrey(values: ArrayLike<number>, header: Header): ArrayLike<number> {
  const count = header.rows * header.columns;
  const whole = Number.isInteger(header.slope) && Number.isInteger(header.intercept);
  const grey = whole || header.modalityTable !== null ? new Int32Array(count) : new Float32Array(count);
  const unused = header.bitsStored < 32 ? 32 - header.bitsStored : 0;
  const table = header.modalityTable;
  for (let index = 0; index < count; index += 1) {
    const raw = values[index] ?? 0;
    const stored = header.signed ? (raw << unused) >> unused : ((raw << unused) >>> unused);
    grey[index] = table === null
      ? stored * header.slope + header.intercept
      : (table.values[Math.min(table.values.length - 1, Math.max(0, stored - table.first))] ?? 0);
  }
  return grey;
}

/** Of the pixels that belong to the picture. */
function extremes(pixels: ArrayLike<number>, header: Header): [number, number] {
  const padding = header.padding === null ? null : header.padding * header.slope + header.intercept;
  let [least, most] = [Infinity, -Infinity];
  for (let index = 0; index < pixels.length; index += 1) {
    const value = pixels[index] ?? 0;
    if (value !== padding) {
      least = value < least ? value : least;
      most = value > most ? value : most;
    }
  }
  return least <= most ? [least, most] : [0, 0];
}
