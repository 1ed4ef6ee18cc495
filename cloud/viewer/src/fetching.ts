/** One file from the page's own server, with its progress, over a line that may break. */

export type Trouble = 'brokenNetwork' | 'brokenStatus' | 'brokenFormat' | 'brokenSize' | 'brokenEngine';

export class Broken extends Error {
  constructor(readonly trouble: Trouble, readonly detail: string) {
    super(`${trouble} ${detail}`);
  }
}

const PAUSES_MS = [1_000, 4_000];
/** A line on which nothing comes for so long is tried anew. */
const SILENCE_MS = 45_000;

/** @throws Broken, after trying again where that may help. */
export async function fetchFile(
  url: string, progress: (share: number) => void, stop: AbortSignal,
): Promise<ArrayBuffer> {
  for (const pause of PAUSES_MS) {
    try {
      return await once(url, progress, stop);
    } catch (error) {
      const final = error instanceof Broken && error.trouble === 'brokenStatus' && !error.detail.startsWith('5');
      if (final || stop.aborted) {
        throw error;
      }
      await new Promise((resolve) => { setTimeout(resolve, pause); });
    }
  }
  return once(url, progress, stop);
}

async function once(url: string, progress: (share: number) => void, stop: AbortSignal): Promise<ArrayBuffer> {
  const giveUp = new AbortController();
  stop.addEventListener('abort', () => giveUp.abort(), { once: true });
  let timer = setTimeout(() => giveUp.abort(), SILENCE_MS);
  try {
    const response = await fetch(url, { signal: giveUp.signal, credentials: 'same-origin', redirect: 'error' });
    if (!response.ok || response.body === null) {
      throw new Broken('brokenStatus', String(response.status));
    }
    const length = Number(response.headers.get('content-length'));
    const parts: Uint8Array[] = [];
    let received = 0;
    const reader = response.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      clearTimeout(timer);
      timer = setTimeout(() => giveUp.abort(), SILENCE_MS);
      parts.push(part.value);
      received += part.value.length;
      if (length > 0) {
        progress(Math.min(1, received / length));
      }
    }
    const whole = new Uint8Array(received);
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole.buffer;
  } catch (error) {
    throw error instanceof Broken ? error : new Broken('brokenNetwork', '');
  } finally {
    clearTimeout(timer);
  }
}
