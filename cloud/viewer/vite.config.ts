import { fileURLToPath } from 'node:url';

import { defineConfig } from 'vite';

export default defineConfig({
  // Wherever the hub serves the files from, they find each other.
  base: './',
  resolve: {
    alias: {
      // The package exports its decoders only together with everything else.
      '@loader': fileURLToPath(
        new URL('node_modules/@cornerstonejs/dicom-image-loader/dist/esm/shared/decoders', import.meta.url),
      ),
    },
  },
  build: {
    target: 'es2022',
    outDir: 'dist',
    assetsDir: '.',
    // The hub embeds the names from here.
    manifest: 'vite-manifest.json',
    // An inlined file would be a data: address, which the page's policy forbids to scripts and fetches.
    assetsInlineLimit: 0,
    modulePreload: false,
    chunkSizeWarningLimit: 4000,
    rollupOptions: {
      input: 'src/main.ts',
      output: {
        entryFileNames: '[name]-[hash].js',
        chunkFileNames: '[name]-[hash].js',
        assetFileNames: '[name]-[hash][extname]',
      },
    },
  },
  worker: {
    format: 'es',
    rollupOptions: {
      output: { entryFileNames: '[name]-[hash].js', chunkFileNames: '[name]-[hash].js', assetFileNames: '[name]-[hash][extname]' },
    },
  },
});
