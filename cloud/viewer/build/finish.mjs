// After Vite: the names the hub embeds, gzip beside what it helps, the licences of what is inside.

import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const dist = new URL('../dist/', import.meta.url).pathname;
const modules = new URL('../node_modules/', import.meta.url).pathname;

const vite = JSON.parse(readFileSync(join(dist, 'vite-manifest.json'), 'utf8'));
const entry = vite['src/main.ts'];
writeFileSync(join(dist, 'manifest.json'), `${JSON.stringify({ script: entry.file, style: entry.css[0] }, null, 2)}\n`);
rmSync(join(dist, 'vite-manifest.json'));
// Keeps the folder in the repository, so that cargo can watch it before anything was built.
writeFileSync(join(dist, '.gitkeep'), '');

// Exactly what can end up in the bundle: the packages that are no tools of ours, and whatever they need.
const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'));
const shipped = Object.entries(lock.packages).filter(([path, entry]) => path !== '' && !entry.dev && !entry.optional && !entry.peer);
const allowed = ['MIT', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', 'Zlib', '(MIT AND Zlib)'];
const texts = shipped.map(([path]) => {
  const folder = join(modules, path.slice('node_modules/'.length));
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (!allowed.includes(license)) {
    throw new Error(`${name} ${version} has the licence ${license}, which is not allowed in the bundle`);
  }
  const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
  const text = file === undefined ? '(its package brings no text of it)' : readFileSync(join(folder, file), 'utf8').trim();
  return `${name} ${version}, ${license}\n\n${text}\n`;
});
writeFileSync(join(dist, 'licenses.txt'), texts.join(`\n${'-'.repeat(80)}\n\n`));

let bytes = 0;
for (const name of readdirSync(dist).filter((one) => /\.(js|css|wasm)$/.test(one))) {
  const content = readFileSync(join(dist, name));
  const packed = gzipSync(content, { level: 9 });
  bytes += packed.length;
  writeFileSync(join(dist, `${name}.gz`), packed);
}
const sizes = (name) => `${statSync(join(dist, name)).size} bytes, ${statSync(join(dist, `${name}.gz`)).size} packed`;
console.log(`${entry.file}: ${sizes(entry.file)}; all files packed: ${bytes} bytes; ${shipped.length} licences`);
