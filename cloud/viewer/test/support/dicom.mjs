// The smallest writer of DICOM Part 10 that the tests need: explicit little endian, native or encapsulated pixels.

export const NATIVE = '1.2.840.10008.1.2.1';

const LONG = ['OB', 'OW', 'SQ', 'UN', 'UT'];

function bytesOf(vr, value) {
  if (value instanceof Uint8Array) {
    return Buffer.from(value);
  }
  const values = Array.isArray(value) ? value : [value];
  switch (vr) {
    case 'US':
      return Buffer.concat(values.map((one) => { const b = Buffer.alloc(2); b.writeUInt16LE(one); return b; }));
    case 'UL':
      return Buffer.concat(values.map((one) => { const b = Buffer.alloc(4); b.writeUInt32LE(one); return b; }));
    default: {
      const text = Buffer.from(values.join('\\'), 'latin1');
      return text.length % 2 === 0 ? text : Buffer.concat([text, Buffer.from(vr === 'UI' ? '\0' : ' ')]);
    }
  }
}

function element(tag, vr, value) {
  const [group, number] = [Number.parseInt(tag.slice(0, 4), 16), Number.parseInt(tag.slice(4), 16)];
  const isFragments = Array.isArray(value) && value[0] instanceof Uint8Array;
  const content = isFragments ? fragments(value) : bytesOf(vr, value);
  const isLong = LONG.includes(vr);
  const head = Buffer.alloc(isLong ? 12 : 8);
  head.writeUInt16LE(group, 0);
  head.writeUInt16LE(number, 2);
  head.write(vr, 4, 'latin1');
  if (isLong) {
    head.writeUInt32LE(isFragments ? 0xffffffff : content.length, 8);
  } else {
    head.writeUInt16LE(content.length, 6);
  }
  return Buffer.concat([head, content]);
}

function item(tag, content) {
  const head = Buffer.alloc(8);
  head.writeUInt16LE(0xfffe, 0);
  head.writeUInt16LE(tag, 2);
  head.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, content]);
}

function fragments(frames) {
  const even = (frame) => (frame.length % 2 === 0 ? Buffer.from(frame) : Buffer.concat([frame, Buffer.alloc(1)]));
  return Buffer.concat([item(0xe000, Buffer.alloc(0)), ...frames.map((frame) => item(0xe000, even(frame))), item(0xe0dd, Buffer.alloc(0))]);
}

/** `pixels`: bytes of all frames, or a list of encoded frames. `further`: more elements as [tag, vr, value]. */
export function part10({
  uid, syntax = NATIVE, modality = 'DX', rows, columns, frames = 1, samples = 1, photometric = 'MONOCHROME2',
  bits = 16, stored = bits, signed = false, pixels, further = [],
}) {
  const meta = [
    element('00020001', 'OB', Uint8Array.of(0, 1)),
    element('00020002', 'UI', '1.2.840.10008.5.1.4.1.1.1.1'),
    element('00020003', 'UI', uid),
    element('00020010', 'UI', syntax),
    element('00020012', 'UI', '1.2.3.4'),
  ];
  const metaBytes = Buffer.concat(meta);
  const length = element('00020000', 'UL', metaBytes.length);
  const all = [
    ['00080016', 'UI', '1.2.840.10008.5.1.4.1.1.1.1'], ['00080018', 'UI', uid], ['00080060', 'CS', modality],
    ['00280002', 'US', samples], ['00280004', 'CS', photometric], ['00280010', 'US', rows], ['00280011', 'US', columns],
    ['00280100', 'US', bits], ['00280101', 'US', stored], ['00280102', 'US', stored - 1], ['00280103', 'US', signed ? 1 : 0],
    ...(samples > 1 ? [['00280006', 'US', 0]] : []),
    ...(frames > 1 ? [['00280008', 'IS', String(frames)]] : []),
    ['7fe00010', Array.isArray(pixels) || bits === 8 ? 'OB' : 'OW', pixels],
    ...further,
  ].sort(([one], [other]) => (one < other ? -1 : 1));
  return Buffer.concat([
    Buffer.alloc(128), Buffer.from('DICM'), length, metaBytes, ...all.map(([tag, vr, value]) => element(tag, vr, value)),
  ]);
}

/** 16-bit values of a picture that is given as a function. */
export function words(rows, columns, value) {
  const bytes = Buffer.alloc(rows * columns * 2);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      bytes.writeUInt16LE(value(column, row) & 0xffff, (row * columns + column) * 2);
    }
  }
  return bytes;
}

/** RLE of one frame, every run literal: the high bytes of all pixels, then the low ones. */
export function rle(bytes) {
  const planes = [1, 0].map((offset) => {
    const plane = bytes.filter((_, index) => index % 2 === offset);
    const parts = [];
    for (let at = 0; at < plane.length; at += 128) {
      const run = plane.subarray(at, at + 128);
      parts.push(Buffer.of(run.length - 1), run);
    }
    const packed = Buffer.concat(parts);
    return packed.length % 2 === 0 ? packed : Buffer.concat([packed, Buffer.of(128)]);
  });
  const head = Buffer.alloc(64);
  head.writeUInt32LE(2, 0);
  head.writeUInt32LE(64, 4);
  head.writeUInt32LE(64 + planes[0].length, 8);
  return Buffer.concat([head, ...planes]);
}
