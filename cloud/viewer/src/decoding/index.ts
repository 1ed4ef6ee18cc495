/** The page's side of the decoding workers. */

import { Broken } from '../fetching';
import type { Picture } from '../picture';
import type { Answer, Request } from './worker';

/** Each has its own codecs in memory; more would only wait for each other on small machines. */
const MOST_WORKERS = 2;

interface Waiting {
  resolve: (answer: Answer) => void;
  reject: (error: Error) => void;
}

export class Decoder {
  private readonly workers: { worker: Worker; waiting: Map<number, Waiting> }[] = [];
  private requests = 0;
  private readonly places = new Map<string, number>();

  /** Hands the file over; its frames are decoded where it lies. */
  async open(file: string, bytes: ArrayBuffer): Promise<void> {
    const place = this.places.size % Math.min(MOST_WORKERS, Math.max(1, (navigator.hardwareConcurrency || 2) - 1));
    this.places.set(file, place);
    await this.ask(place, (id) => ({ id, open: file, bytes }), [bytes]);
  }

  async frame(file: string, frame: number): Promise<Picture> {
    const place = this.places.get(file);
    if (place === undefined) {
      throw new Error('the file is not open');
    }
    const answer = await this.ask(place, (id) => ({ id, file, frame }), []);
    if (!('picture' in answer)) {
      throw new Error('no picture in the answer');
    }
    return answer.picture;
  }

  close(): void {
    this.workers.forEach(({ worker, waiting }) => {
      worker.terminate();
      waiting.forEach((one) => one.reject(new Error('closed')));
    });
    this.workers.length = 0;
    this.places.clear();
  }

  private ask(place: number, request: (id: number) => Request, transfer: Transferable[]): Promise<Answer> {
    const { worker, waiting } = this.worker(place);
    this.requests += 1;
    const id = this.requests;
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      worker.postMessage(request(id), transfer);
    });
  }

  private worker(place: number): { worker: Worker; waiting: Map<number, Waiting> } {
    const existing = this.workers[place];
    if (existing !== undefined) {
      return existing;
    }
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
    const waiting = new Map<number, Waiting>();
    worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
      const one = waiting.get(data.id);
      waiting.delete(data.id);
      if ('failed' in data) {
        one?.reject(new Error(data.failed));
      } else {
        one?.resolve(data);
      }
    });
    // It could not be started, or a codec brought it down: nobody shall wait for ever.
    worker.addEventListener('error', () => {
      delete this.workers[place];
      worker.terminate();
      waiting.forEach((one) => one.reject(new Broken('brokenEngine', '')));
    });
    const made = { worker, waiting };
    this.workers[place] = made;
    return made;
  }
}
