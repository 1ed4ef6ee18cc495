/** A decoded frame as the display and the measurements need it, free of the library that decoded it. */

import type { Scale } from './geometry';
import type { Window } from './presets';

export interface OwnWindow {
  window: Window;
  explanation: string;
}

/** How stored grey values become shown ones where the file brings its own table. */
export interface Table {
  first: number;
  values: ArrayLike<number>;
  bits: number;
}

export interface Spacing {
  scale: Scale;
  /** Of the object itself, or of its projection onto the detector, which is larger. */
  plane: 'object' | 'detector';
}

export interface Picture {
  rows: number;
  columns: number;
  /** Grey values as the modality means them (Hounsfield units in CT), or red, green and blue of each pixel. */
  pixels: ArrayLike<number>;
  components: number;
  least: number;
  most: number;
  /** Low values are bright (MONOCHROME1). */
  inverted: boolean;
  windows: OwnWindow[];
  /** VOI LUT function (0028,1056). */
  curve: 'LINEAR' | 'LINEAR_EXACT' | 'SIGMOID';
  table: Table | null;
  spacing: Spacing | null;
  /** How much higher than wide a pixel is. */
  aspect: number;
  /** HU where the file says so, else nothing. */
  unit: string;
  modality: string;
  /** Which side of the patient the rows run to and the columns run to, as in "L" and "F". */
  orientation: readonly [string, string] | null;
}

export function isGrey(picture: Picture): boolean {
  return picture.components === 1;
}
