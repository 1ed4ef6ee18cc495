/** From grey values to brightness, as DICOM PS3.3 C.11.2 has it. */

import type { Picture, Table } from './picture';
import type { Window } from './presets';

export interface Tone {
  window: Window;
  invert: boolean;
  /** The file's own table in place of the window, until the reader chooses one. */
  useTable: boolean;
}

/** The tone an image comes with. */
export function initialTone(picture: Picture): Tone {
  const own = picture.windows[0]?.window;
  return { window: own ?? fullWindow(picture), invert: false, useTable: own === undefined && picture.table !== null };
}

export function fullWindow(picture: Picture): Window {
  if (picture.components > 1) {
    return { center: 128, width: 256 };
  }
  return { center: (picture.least + picture.most + 1) / 2, width: Math.max(1, picture.most - picture.least + 1) };
}

/** Brightness from 0 to 255 of one grey value. */
export function brightness(value: number, picture: Picture, tone: Tone): number {
  const share = tone.useTable && picture.table !== null
    ? tableShare(value, picture.table)
    : windowShare(value, tone.window, picture.curve);
  const shown = picture.inverted === tone.invert ? share : 1 - share;
  return Math.round(shown * 255);
}

function windowShare(value: number, { center, width }: Window, curve: Picture['curve']): number {
  switch (curve) {
    case 'SIGMOID':
      return 1 / (1 + Math.exp((-4 * (value - center)) / width));
    case 'LINEAR_EXACT':
      return clamp((value - center) / width + 0.5);
    case 'LINEAR':
      return width <= 1
        ? (value <= center - 0.5 ? 0 : 1)
        : clamp((value - (center - 0.5)) / (width - 1) + 0.5);
  }
}

function tableShare(value: number, table: Table): number {
  const place = Math.min(table.values.length - 1, Math.max(0, Math.round(value) - table.first));
  return clamp((table.values[place] ?? 0) / (2 ** table.bits - 1));
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}

/** Beyond, a table of all values would cost more than it saves. */
const LONGEST_TABLE = 1 << 17;

/** Brightness of any value of the picture; made once for each tone. */
export function toneCurve(picture: Picture, tone: Tone): (value: number) => number {
  const first = Math.floor(picture.least);
  const span = Math.ceil(picture.most) - first + 1;
  if (span > LONGEST_TABLE) {
    return (value) => brightness(value, picture, tone);
  }
  const table = Uint8Array.from({ length: span }, (_, step) => brightness(first + step, picture, tone));
  // Averages of pixels and rescaled values lie between whole ones.
  return (value) => table[Math.round(value) - first] ?? 0;
}
