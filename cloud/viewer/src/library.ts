/** The study's files: fetched a few at a time, those that are looked at first, decoded when they are shown. */

import { Decoder } from './decoding';
import { Broken, fetchFile } from './fetching';
import type { Picture } from './picture';
import type { Instance } from './study';

export type Status =
  /** Not at the hub yet. */
  | { state: 'absent' }
  | { state: 'waiting' }
  | { state: 'loading'; share: number }
  | { state: 'here' }
  | { state: 'broken'; why: Broken };

interface Book {
  instance: Instance;
  status: Status;
}

/** On a thin line more at once would only bring the first one later. */
const AT_ONCE = 2;
const BYTES_KEPT = Math.min(1024, Math.max(192, ((navigator as { deviceMemory?: number }).deviceMemory ?? 4) * 128)) * 2 ** 20;

export class Library {
  private readonly books: Map<string, Book>;
  private queue: string[];
  private readonly decoder = new Decoder();
  private readonly stop = new AbortController();
  private underWay = 0;
  /** The most lately used last. */
  private readonly pictures = new Map<string, Picture>();
  private readonly decoding = new Map<string, Promise<Picture>>();

  /** In the order in which they are wanted; `changed` is told of every step of every file. */
  constructor(instances: readonly Instance[], private readonly changed: (instance: string) => void) {
    this.books = new Map(instances.map((instance) => [
      instance.instance, { instance, status: { state: instance.url === null ? 'absent' : 'waiting' } },
    ]));
    this.queue = instances.filter((instance) => instance.url !== null).map((instance) => instance.instance);
  }

  /** Fetches everything, one after the other. */
  start(): void {
    while (this.underWay < AT_ONCE) {
      const next = this.queue.shift();
      if (next === undefined) {
        return;
      }
      this.underWay += 1;
      void this.fetch(next).finally(() => {
        this.underWay -= 1;
        this.start();
      });
    }
  }

  /** Before all others that wait. */
  hurry(instance: string): void {
    if (this.queue.includes(instance)) {
      this.queue = [instance, ...this.queue.filter((one) => one !== instance)];
    }
  }

  retry(instance: string): void {
    if (this.status(instance).state === 'broken') {
      this.set(instance, { state: 'waiting' });
      this.queue.unshift(instance);
      this.start();
    }
  }

  status(instance: string): Status {
    return this.books.get(instance)?.status ?? { state: 'waiting' };
  }

  count(): { here: number; of: number } {
    const states = [...this.books.values()].map((book) => book.status.state).filter((state) => state !== 'absent');
    return { here: states.filter((state) => state === 'here').length, of: states.length };
  }

  /** The picture when it is decoded already. */
  peek(instance: string, frame: number): Picture | null {
    return this.pictures.get(`${instance}/${frame}`) ?? null;
  }

  /** @throws nothing: what cannot be decoded becomes a broken file. */
  async picture(instance: string, frame: number): Promise<Picture | null> {
    const key = `${instance}/${frame}`;
    const have = this.pictures.get(key);
    if (have !== undefined) {
      this.pictures.delete(key);
      this.pictures.set(key, have);
      return have;
    }
    if (this.status(instance).state !== 'here') {
      return null;
    }
    const before = this.decoding.get(key);
    const running = before ?? this.decoder.frame(instance, frame);
    this.decoding.set(key, running);
    try {
      const picture = this.checked(instance, await running);
      this.keep(key, picture);
      return picture;
    } catch (error) {
      this.set(instance, { state: 'broken', why: asBroken(error) });
      return null;
    } finally {
      this.decoding.delete(key);
    }
  }

  close(): void {
    this.queue = [];
    this.stop.abort();
    this.decoder.close();
    this.pictures.clear();
  }

  private async fetch(instance: string): Promise<void> {
    const book = this.books.get(instance);
    const url = book?.instance.url ?? null;
    if (url === null) {
      return;
    }
    this.set(instance, { state: 'loading', share: 0 });
    try {
      const bytes = await fetchFile(
        url, (share) => this.set(instance, { state: 'loading', share }), this.stop.signal,
      );
      await this.decoder.open(instance, bytes).catch((error: unknown) => { throw asBroken(error); });
      this.set(instance, { state: 'here' });
    } catch (error) {
      if (!this.stop.signal.aborted) {
        this.set(instance, { state: 'broken', why: asBroken(error) });
      }
    }
  }

  /** Figures and marks are in pixels of the image on record: another one must not pass for it. */
  private checked(instance: string, picture: Picture): Picture {
    const wanted = this.books.get(instance)?.instance;
    if (wanted === undefined || picture.rows !== wanted.rows || picture.columns !== wanted.columns) {
      throw new Broken('brokenSize', `${picture.columns} × ${picture.rows}`);
    }
    const isProjection = ['CR', 'DX', 'MG', 'RF', 'XA', 'RG', 'PX', 'IO'].includes(picture.modality);
    return picture.spacing === null && wanted.pixelSpacing !== null
      ? { ...picture, spacing: { scale: wanted.pixelSpacing, plane: isProjection ? 'detector' : 'object' } }
      : picture;
  }

  private keep(key: string, picture: Picture): void {
    this.pictures.set(key, picture);
    let bytes = [...this.pictures.values()].reduce((sum, one) => sum + one.pixels.length * 4, 0);
    for (const [oldest, one] of this.pictures) {
      if (bytes <= BYTES_KEPT || oldest === key) {
        return;
      }
      bytes -= one.pixels.length * 4;
      this.pictures.delete(oldest);
    }
  }

  private set(instance: string, status: Status): void {
    const book = this.books.get(instance);
    if (book !== undefined) {
      book.status = status;
      this.changed(instance);
    }
  }
}

function asBroken(error: unknown): Broken {
  return error instanceof Broken ? error : new Broken('brokenFormat', error instanceof Error ? error.message : '');
}
