/** One pane, or two side by side that may move together. */

import { element } from './dom';
import type { Move, Pane } from './pane';
import type { Stack } from './stacks';

export class Comparison {
  readonly root = element('div', { class: 'bfv-panes' });
  private readonly panes: Pane[] = [];
  private acting: Pane;
  private following = false;
  compared = false;
  linked = true;

  constructor(
    private readonly all: readonly Stack[],
    private readonly make: () => Pane,
    private readonly changed: () => void,
  ) {
    this.acting = this.add();
  }

  get active(): Pane {
    return this.acting;
  }

  start(): void {
    const [first] = this.all;
    if (first !== undefined) {
      this.choose(this.acting, first);
    }
  }

  activate(pane: Pane): void {
    if (pane !== this.acting) {
      this.acting = pane;
      this.markActive();
      this.changed();
    }
  }

  /** Beside the pane in use: the prior, or else the next series. */
  toggle(): void {
    const [first, second] = [this.panes[0] as Pane, this.panes[1] ?? this.add()];
    this.compared = !this.compared && this.all.length > 1;
    second.parts.root.hidden = !this.compared;
    this.root.classList.toggle('bfv-two', this.compared);
    if (this.compared && second.stack === null) {
      const other = this.all.find((stack) => stack.prior !== null && stack.modality === first.stack?.modality)
        ?? this.all.find((stack) => stack.prior !== null)
        ?? this.all.find((stack) => stack !== first.stack);
      if (other !== undefined) {
        this.choose(second, other);
      }
    }
    if (!this.compared) {
      this.activate(first);
    }
    this.markActive();
  }

  toggleLink(): void {
    this.linked = !this.linked;
  }

  nextSeries(by: 1 | -1): void {
    const now = this.acting.stack === null ? 0 : this.all.indexOf(this.acting.stack);
    const next = this.all[(now + by + this.all.length) % this.all.length];
    if (next !== undefined) {
      this.choose(this.acting, next);
    }
  }

  /** Shows the image in the first pane. */
  goTo(instance: string, frame: number): void {
    const pane = this.panes[0] as Pane;
    const stack = this.all.find((one) => one.prior === null && one.slots.some((slot) => slot.instance.instance === instance));
    if (!pane.goTo(instance, frame) && stack !== undefined) {
      this.choose(pane, stack);
      pane.goTo(instance, frame);
    }
    this.activate(pane);
  }

  /** The other pane does what this one did. */
  follow(from: Pane, move: Move): void {
    if (this.following || !this.linked || !this.compared) {
      return;
    }
    this.following = true;
    for (const pane of this.panes.filter((one) => one !== from)) {
      switch (move.kind) {
        case 'scroll': pane.scrollBy(move.by); break;
        case 'zoom': pane.zoomBy(move.factor, move.anchor); break;
        case 'pan': pane.panBy(move.across, move.down); break;
      }
    }
    this.following = false;
  }

  render(): void {
    this.panes.forEach((pane) => pane.render());
  }

  private add(): Pane {
    const pane = this.make();
    pane.parts.offer(this.all);
    pane.parts.series.addEventListener('change', () => {
      const stack = this.all[Number(pane.parts.series.value)];
      if (stack !== undefined) {
        this.activate(pane);
        this.choose(pane, stack);
      }
    });
    pane.parts.stage.addEventListener('focus', () => this.activate(pane));
    this.panes.push(pane);
    this.root.append(pane.parts.root);
    return pane;
  }

  private choose(pane: Pane, stack: Stack): void {
    // Another series is not scrolled by a linked pane.
    this.following = true;
    pane.show(stack);
    this.following = false;
    pane.parts.series.value = String(this.all.indexOf(stack));
  }

  private markActive(): void {
    this.panes.forEach((pane) => pane.parts.root.classList.toggle('bfv-active', this.compared && pane === this.acting));
  }
}
