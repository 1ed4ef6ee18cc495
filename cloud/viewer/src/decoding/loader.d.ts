/** Cornerstone's decoders, each a file of its own (see the alias in vite.config.ts). */
declare module '@loader/decodeRLE.js' { const decode: FrameFirst; export default decode; }
declare module '@loader/decodeJPEGLossless.js' { const decode: FrameFirst; export default decode; }
declare module '@loader/decodeJPEGBaseline12Bit-js.js' { const decode: FrameFirst; export default decode; }
declare module '@loader/decodeJPEGBaseline8Bit.js' { const decode: BytesFirst; export default decode; }
declare module '@loader/decodeJPEGLS.js' { const decode: BytesFirst; export default decode; }
declare module '@loader/decodeJPEG2000.js' { const decode: BytesFirst; export default decode; }
declare module '@loader/decodeHTJ2K.js' { const decode: BytesFirst; export default decode; }

interface DecodedFrame { pixelData: ArrayLike<number>; interleaveMode?: number }
type FrameFirst = (frame: object, bytes: Uint8Array) => Promise<DecodedFrame>;
type BytesFirst = (bytes: Uint8Array, frame: object) => Promise<DecodedFrame>;
