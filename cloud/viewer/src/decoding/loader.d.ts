/** Two of Cornerstone's decoders, each a file of its own (see the alias in vite.config.ts), and its codec packages. */
declare module '@loader/decodeJPEGLossless.js' { const decode: FrameFirst; export default decode; }
declare module '@loader/decodeJPEGBaseline12Bit-js.js' { const decode: FrameFirst; export default decode; }
declare module '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs' { const make: import('./wasm').Factory; export default make; }
declare module '@cornerstonejs/codec-charls/decodewasmjs' { const make: import('./wasm').Factory; export default make; }
declare module '@cornerstonejs/codec-openjpeg/decodewasmjs' { const make: import('./wasm').Factory; export default make; }
declare module '@cornerstonejs/codec-openjph/wasmjs' { const make: import('./wasm').Factory; export default make; }

type FrameFirst = (frame: object, bytes: Uint8Array) => Promise<{ pixelData: ArrayLike<number> }>;
