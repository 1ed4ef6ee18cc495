/** Which images the reader has had before the eyes, full ones, for a moment, in a page that was in front. */

const MOMENT_MS = 1_000;

export class Looking {
  private readonly seen = new Set<string>();
  private timer = 0;
  private now: string | null = null;

  constructor(
    private readonly of: number,
    private readonly looked: (detail: { instance: string; seen: number; of: number }) => void,
  ) {
    document.addEventListener('visibilitychange', this.wait);
  }

  /** This image stands in the pane; `null` for a preview. */
  shown(instance: string | null): void {
    if (instance !== this.now) {
      this.now = instance;
      this.wait();
    }
  }

  stop(): void {
    clearTimeout(this.timer);
    document.removeEventListener('visibilitychange', this.wait);
  }

  private readonly wait = (): void => {
    clearTimeout(this.timer);
    const instance = this.now;
    if (instance !== null && !this.seen.has(instance) && document.visibilityState === 'visible') {
      this.timer = window.setTimeout(() => {
        this.seen.add(instance);
        this.looked({ instance, seen: this.seen.size, of: this.of });
      }, MOMENT_MS);
    }
  };
}
