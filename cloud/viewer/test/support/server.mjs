// The hub as far as the viewer knows it: its files, a page, a study, under the hub's policies (cloud/hub/src/viewer_assets).

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname } from 'node:path';

const dist = new URL('../../dist/', import.meta.url);

/** Of the page: no WebAssembly, no data: or blob: picture. Only the decoders' worker may compile, under a policy of its own. */
const PAGE_POLICY = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; "
  + "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const VIEWER_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";

const KINDS = {
  '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm', '.html': 'text/html; charset=utf-8',
  '.json': 'application/json', '.jpg': 'image/jpeg', '.png': 'image/png', '.dcm': 'application/dicom',
};

export async function serve() {
  /** Path to content, or to a function that answers. */
  const files = new Map();
  const server = createServer((request, response) => {
    const path = new URL(request.url, 'http://here').pathname;
    const file = files.get(path);
    if (typeof file === 'function') {
      file(request, response);
      return;
    }
    const content = file ?? own(path);
    if (content === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      'content-type': KINDS[extname(path)] ?? 'application/octet-stream', 'content-length': content.length,
      'content-security-policy': path.startsWith('/viewer/') ? VIEWER_POLICY : PAGE_POLICY, 'x-content-type-options': 'nosniff',
    });
    response.end(content);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const origin = `http://127.0.0.1:${server.address().port}`;
  return { origin, files, close: () => { server.closeAllConnections(); server.close(); } };
}

function own(path) {
  if (!path.startsWith('/viewer/')) {
    return path === '/favicon.ico' ? Buffer.alloc(0) : undefined;
  }
  try {
    return readFileSync(new URL(path.slice('/viewer/'.length), dist));
  } catch {
    return undefined;
  }
}

/** A case page with the viewer in its form. */
export function page({ language = 'en', attributes = '' } = {}) {
  const { script, style } = JSON.parse(readFileSync(new URL('manifest.json', dist), 'utf8'));
  return Buffer.from(`<!doctype html><html lang="${language}"><head><meta charset="utf-8"><title>Case</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/viewer/${style}"><script type="module" src="/viewer/${script}"></script></head>
<body><main><h1>Case</h1><form action="/signed.html" method="get">
<input type="hidden" id="marks" name="marks" value="[]">
<barefoot-viewer data-study="/study.json" data-language="${language}" data-marks-input="marks" ${attributes}></barefoot-viewer>
<label>Note <textarea name="note"></textarea></label><button id="send">Send</button></form></main></body></html>`);
}
