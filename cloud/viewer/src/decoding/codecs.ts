/** The encoded bytes of one frame, and the right decoder for them. Each decoder is fetched when the first image needs it. */

import { createJPEGBasicOffsetTable, readEncapsulatedImageFrame, readEncapsulatedPixelDataFromFragments } from 'dicom-parser';
import type { DataSet } from 'dicom-parser';

import type { Header } from './header';
import { decodeRle } from './rle';
import { decodeStream } from './wasm';

export interface Decoded {
  values: ArrayLike<number>;
  /** Colours one after the other for each pixel, else one plane after the other. */
  interleaved: boolean;
  /** The decoder has made RGB of whatever the stream held. */
  isRgb: boolean;
}

const NATIVE = ['1.2.840.10008.1.2', '1.2.840.10008.1.2.1'];
const BIG_ENDIAN = '1.2.840.10008.1.2.2';

/** @throws when there are fewer bytes than the header promises, or no decoder for them. */
export async function decode(file: DataSet, header: Header, frame: number): Promise<Decoded> {
  const native = { interleaved: !header.planar, isRgb: false };
  if (NATIVE.includes(header.syntax) || header.syntax === BIG_ENDIAN) {
    return { values: readNative(file, header, frame, header.syntax === BIG_ENDIAN), ...native };
  }
  const bytes = readEncapsulated(file, header, frame);
  const description = {
    rows: header.rows,
    columns: header.columns,
    samplesPerPixel: header.samples,
    bitsAllocated: header.bitsAllocated,
    bitsStored: header.bitsStored,
    pixelRepresentation: header.signed ? 1 : 0,
    planarConfiguration: header.planar ? 1 : 0,
    photometricInterpretation: header.photometric,
    signed: header.signed,
    bytesPerPixel: header.bitsAllocated <= 8 ? 1 : 2,
  };
  if (header.syntax === '1.2.840.10008.1.2.5') {
    // One plane after the other, whatever the header says of it.
    return { values: decodeRle(bytes, header), interleaved: header.samples === 1, isRgb: false };
  }
  assertWhole(bytes);
  // Both JPEG 2000 undo their own transformation, and leave alone what was put in as YBR.
  const transformed = !header.photometric.startsWith('YBR_FULL');
  switch (header.syntax) {
    case '1.2.840.10008.1.2.4.50':
      return { ...await decodeStream('jpeg', bytes, header), interleaved: true, isRgb: true };
    case '1.2.840.10008.1.2.4.51': {
      const { default: extended } = await import('@loader/decodeJPEGBaseline12Bit-js.js');
      return { values: (await extended(description, bytes)).pixelData, interleaved: true, isRgb: true };
    }
    case '1.2.840.10008.1.2.4.57':
    case '1.2.840.10008.1.2.4.70': {
      const { default: lossless } = await import('@loader/decodeJPEGLossless.js');
      return { values: (await lossless(description, bytes)).pixelData, interleaved: true, isRgb: false };
    }
    case '1.2.840.10008.1.2.4.80':
    case '1.2.840.10008.1.2.4.81': {
      const decoded = await decodeStream('jpegLs', bytes, header);
      return { ...decoded, interleaved: decoded.interleaveMode !== 0, isRgb: false };
    }
    case '1.2.840.10008.1.2.4.90':
    case '1.2.840.10008.1.2.4.91':
      return { ...await decodeStream('jpeg2000', bytes, header), interleaved: true, isRgb: transformed };
    case '1.2.840.10008.1.2.4.201':
    case '1.2.840.10008.1.2.4.202':
    case '1.2.840.10008.1.2.4.203':
      return { ...await decodeStream('htj2k', bytes, header), interleaved: true, isRgb: transformed };
    default:
      throw new Error(`no decoder for ${header.syntax}`);
  }
}

/** Behind the end of a stream some writers leave a few bytes, and not only zeros. */
const LONGEST_TAIL = 16;

/** Every kind of JPEG ends with the same mark. What lacks it was cut off, and some decoders would make up the rest. */
function assertWhole(bytes: Uint8Array): void {
  for (let at = bytes.length - 2; at >= Math.max(0, bytes.length - 2 - LONGEST_TAIL); at -= 1) {
    if (bytes[at] === 0xff && bytes[at + 1] === 0xd9) {
      return;
    }
  }
  throw new Error('the compressed stream is cut off');
}

function readNative(file: DataSet, header: Header, frame: number, bigEndian: boolean): ArrayLike<number> {
  const element = file.elements.x7fe00010;
  const pixels = header.rows * header.columns;
  // YBR_FULL_422 keeps two colours for every other pixel.
  const count = header.photometric === 'YBR_FULL_422' ? pixels * 2 : pixels * header.samples;
  const bits = count * header.bitsAllocated;
  if (element === undefined || Math.ceil((bits * (frame + 1)) / 8) > element.length) {
    throw new Error('fewer pixels than the header says');
  }
  const { buffer, byteOffset } = file.byteArray;
  if (header.bitsAllocated === 1) {
    const first = element.dataOffset * 8 + bits * frame;
    return Uint8Array.from({ length: count }, (_, index) =>
      ((file.byteArray[(first + index) >> 3] ?? 0) >> ((first + index) & 7)) & 1);
  }
  const start = byteOffset + element.dataOffset + (bits / 8) * frame;
  const bytes = buffer.slice(start, start + bits / 8);
  switch (header.bitsAllocated) {
    case 8:
      return header.signed ? new Int8Array(bytes) : new Uint8Array(bytes);
    case 16: {
      if (bigEndian) {
        const view = new DataView(bytes);
        for (let at = 0; at < bytes.byteLength; at += 2) {
          view.setUint16(at, view.getUint16(at, false), true);
        }
      }
      return header.signed ? new Int16Array(bytes) : new Uint16Array(bytes);
    }
    case 32:
      return header.signed ? new Int32Array(bytes) : new Uint32Array(bytes);
    default:
      throw new Error(`${header.bitsAllocated} bits a pixel`);
  }
}

function readEncapsulated(file: DataSet, header: Header, frame: number): Uint8Array {
  const element = file.elements.x7fe00010;
  const fragments = element?.fragments;
  if (element === undefined || fragments === undefined || fragments.length === 0) {
    throw new Error('no compressed pixels');
  }
  const bytes = (() => {
    if (header.frames === 1) {
      // Whatever the table of offsets says, all fragments are this one frame's.
      return readEncapsulatedPixelDataFromFragments(file, element, 0, fragments.length);
    }
    if (fragments.length === header.frames) {
      return readEncapsulatedPixelDataFromFragments(file, element, frame, 1);
    }
    const offsets = element.basicOffsetTable?.length ? element.basicOffsetTable : createJPEGBasicOffsetTable(file, element);
    return readEncapsulatedImageFrame(file, element, frame, offsets);
  })();
  return Uint8Array.from(bytes);
}
