/** Colours of every kind to red, green, blue, one byte each. */

import type { Decoded } from './codecs';
import type { Header } from './header';

export function toRgb(decoded: Decoded, header: Header): Uint8ClampedArray {
  const pixels = header.rows * header.columns;
  if (header.palette !== null) {
    return fromPalette(decoded.values, header.palette, pixels);
  }
  const values = decoded.values;
  const shift = header.bitsStored > 8 ? header.bitsStored - 8 : 0;
  const rgb = new Uint8ClampedArray(pixels * 3);
  const halved = !decoded.isRgb && header.photometric === 'YBR_FULL_422' && values.length === pixels * 2;
  const isYbr = !decoded.isRgb && header.photometric.startsWith('YBR_FULL');
  for (let pixel = 0; pixel < pixels; pixel += 1) {
    const [first, second, third] = halved
      ? [(pixel >> 1) * 4 + (pixel & 1), (pixel >> 1) * 4 + 2, (pixel >> 1) * 4 + 3]
      : decoded.interleaved
        ? [pixel * 3, pixel * 3 + 1, pixel * 3 + 2]
        : [pixel, pixel + pixels, pixel + 2 * pixels];
    const a = (values[first] ?? 0) >> shift;
    const b = (values[second] ?? 0) >> shift;
    const c = (values[third] ?? 0) >> shift;
    rgb[pixel * 3] = isYbr ? a + 1.402 * (c - 128) : a;
    rgb[pixel * 3 + 1] = isYbr ? a - 0.344136 * (b - 128) - 0.714136 * (c - 128) : b;
    rgb[pixel * 3 + 2] = isYbr ? a + 1.772 * (b - 128) : c;
  }
  return rgb;
}

function fromPalette(
  values: ArrayLike<number>, palette: NonNullable<Header['palette']>, pixels: number,
): Uint8ClampedArray {
  const rgb = new Uint8ClampedArray(pixels * 3);
  const tables = palette.map((table) => ({ ...table, shift: table.bits > 8 ? 8 : 0 }));
  for (let pixel = 0; pixel < pixels; pixel += 1) {
    tables.forEach((table, colour) => {
      const place = Math.min(table.values.length - 1, Math.max(0, (values[pixel] ?? 0) - table.first));
      rgb[pixel * 3 + colour] = (table.values[place] ?? 0) >> table.shift;
    });
  }
  return rgb;
}
