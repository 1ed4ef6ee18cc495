/** The decoders of Cornerstone's codec packages, one fresh decoder for each frame: one that is used again hands out the
 * picture it decoded before when it fails on the next, and says nothing. */

import type { Header } from './header';

export type Codec = 'jpeg' | 'jpegLs' | 'jpeg2000' | 'htj2k';

interface Decoder {
  getEncodedBuffer(length: number): Uint8Array;
  decode(): void;
  getDecodedBuffer(): Uint8Array;
  getFrameInfo(): { width: number; height: number; bitsPerSample: number; componentCount: number };
  getInterleaveMode?(): number;
  delete(): void;
}

interface Library {
  [name: string]: unknown;
  getExceptionMessage?: (pointer: number) => string;
}

export type Factory = (options: { locateFile: (file: string) => string }) => Promise<Library>;

interface Source {
  decoder: string;
  program: () => Promise<{ default: Factory }>;
  wasm: () => Promise<{ default: string }>;
}

const SOURCES: Record<Codec, Source> = {
  jpeg: {
    decoder: 'JPEGDecoder',
    program: () => import('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs'),
    wasm: () => import('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasm?url'),
  },
  jpegLs: {
    decoder: 'JpegLSDecoder',
    program: () => import('@cornerstonejs/codec-charls/decodewasmjs'),
    wasm: () => import('@cornerstonejs/codec-charls/decodewasm?url'),
  },
  jpeg2000: {
    decoder: 'J2KDecoder',
    program: () => import('@cornerstonejs/codec-openjpeg/decodewasmjs'),
    wasm: () => import('@cornerstonejs/codec-openjpeg/decodewasm?url'),
  },
  htj2k: {
    decoder: 'HTJ2KDecoder',
    program: () => import('@cornerstonejs/codec-openjph/wasmjs'),
    wasm: () => import('@cornerstonejs/codec-openjph/wasm?url'),
  },
};

const libraries = new Map<Codec, Promise<Library>>();

/** @throws when the stream is damaged or holds another picture than the header says. */
export async function decodeStream(
  codec: Codec, bytes: Uint8Array, header: Header,
): Promise<{ values: ArrayLike<number>; interleaveMode: number }> {
  const loading = libraries.get(codec) ?? load(codec);
  libraries.set(codec, loading);
  try {
    return run(await loading, SOURCES[codec].decoder, bytes, header);
  } catch (error) {
    // Whatever state it was left in, the next frame begins with a new one.
    libraries.delete(codec);
    throw error;
  }
}

async function load(codec: Codec): Promise<Library> {
  const source = SOURCES[codec];
  const [{ default: factory }, { default: address }] = await Promise.all([source.program(), source.wasm()]);
  return factory({ locateFile: (file) => (file.endsWith('.wasm') ? new URL(address, import.meta.url).href : file) });
}

function run(
  library: Library, name: string, bytes: Uint8Array, header: Header,
): { values: ArrayLike<number>; interleaveMode: number } {
  const Make = library[name] as new () => Decoder;
  const decoder = new Make();
  try {
    decoder.getEncodedBuffer(bytes.length).set(bytes);
    decoder.decode();
    const { width, height, bitsPerSample, componentCount } = decoder.getFrameInfo();
    if (width !== header.columns || height !== header.rows || componentCount !== header.samples) {
      throw new Error(`the stream holds ${width} × ${height} pixels of ${componentCount}`);
    }
    const decoded = Uint8Array.from(decoder.getDecodedBuffer());
    const wide = bitsPerSample > 8;
    if (decoded.length !== width * height * componentCount * (wide ? 2 : 1)) {
      throw new Error('the stream ends too early');
    }
    const values = wide ? new Uint16Array(decoded.buffer) : decoded;
    return { values, interleaveMode: decoder.getInterleaveMode?.() ?? 2 };
  } catch (error) {
    if (typeof error === 'number' && library.getExceptionMessage !== undefined) {
      throw new Error(library.getExceptionMessage(error));
    }
    throw typeof error === 'number' ? new Error('the stream is damaged') : error;
  } finally {
    decoder.delete();
  }
}
