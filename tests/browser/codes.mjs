// An authenticator app: RFC 6238 with SHA-1, 30 seconds, six digits.

import { createHmac } from 'node:crypto';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const STEP_MS = 30_000;

function bytesOf(base32) {
  let bits = '';
  for (const letter of base32.replace(/[\s=]/g, '').toUpperCase()) {
    bits += ALPHABET.indexOf(letter).toString(2).padStart(5, '0');
  }
  return Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
}

function codeAt(secret, step) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const tag = createHmac('sha1', bytesOf(secret)).update(counter).digest();
  const at = tag[tag.length - 1] & 15;
  return String((tag.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

const apps = new Map();

/** Somebody's app learns its secret. */
export function learn(person, secret) {
  apps.set(person, { secret, last: 0 });
}

/** A code that was not used yet. A telephone that is half a minute ahead is within what the hub allows. */
export async function freshCode(person) {
  const app = apps.get(person);
  if (!app) {
    throw new Error(`${person} has no authenticator yet`);
  }
  const now = () => Math.floor(Date.now() / STEP_MS);
  const step = Math.max(app.last + 1, now());
  while (now() + 1 < step) {
    await new Promise((resolve) => { setTimeout(resolve, 250); });
  }
  app.last = step;
  return codeAt(app.secret, step);
}
