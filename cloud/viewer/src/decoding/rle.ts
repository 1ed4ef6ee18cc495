/** RLE as PS3.5 annex G has it: one segment for each byte of each colour, the highest byte first. */

import type { Header } from './header';

/** @throws when a segment does not hold exactly as many bytes as the picture has pixels. */
export function decodeRle(bytes: Uint8Array, header: Header): ArrayLike<number> {
  const pixels = header.rows * header.columns;
  const width = header.bitsAllocated / 8;
  const count = header.samples * width;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (![1, 2, 4].includes(width) || bytes.length < 64 || view.getUint32(0, true) !== count) {
    throw new Error('the RLE header does not fit the picture');
  }
  const values = new Uint32Array(pixels * header.samples);
  for (let segment = 0; segment < count; segment += 1) {
    const start = view.getUint32(4 + 4 * segment, true);
    const end = segment + 1 < count ? view.getUint32(8 + 4 * segment, true) : bytes.length;
    const shift = 8 * (width - 1 - (segment % width));
    const offset = Math.floor(segment / width) * pixels;
    unpack(bytes.subarray(start, end), pixels, (index, value) => {
      values[offset + index] = (values[offset + index] as number) | (value << shift);
    });
  }
  return values;
}

function unpack(segment: Uint8Array, wanted: number, put: (index: number, value: number) => void): void {
  let [from, to] = [0, 0];
  while (to < wanted) {
    const head = segment[from];
    if (head === undefined) {
      throw new Error('an RLE segment ends too early');
    }
    from += 1;
    if (head < 128) {
      for (let left = head + 1; left > 0 && to < wanted; left -= 1, from += 1, to += 1) {
        const value = segment[from];
        if (value === undefined) {
          throw new Error('an RLE segment ends too early');
        }
        put(to, value);
      }
    } else if (head > 128) {
      const value = segment[from];
      if (value === undefined) {
        throw new Error('an RLE segment ends too early');
      }
      from += 1;
      for (let left = 257 - head; left > 0 && to < wanted; left -= 1, to += 1) {
        put(to, value);
      }
    }
  }
}
