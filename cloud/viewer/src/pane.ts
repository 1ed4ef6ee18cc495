/** One viewport: a stack of images, which of them is shown, and how. */

import { apply, fitted, inverse, matrix, panned, zoomed } from './camera';
import type { Camera, Frame, Matrix } from './camera';
import type { Desk } from './desk';
import { Display } from './display';
import type { Draft } from './drafting';
import { labelOf } from './labels';
import { Overlay } from './overlay';
import { PaneParts } from './pane_parts';
import type { Picture } from './picture';
import { isGrey } from './picture';
import { presets } from './presets';
import type { Preset, Window } from './presets';
import type { Slot, Stack } from './stacks';
import { viewKey } from './stacks';
import type { Point } from './study';
import { fullWindow, initialTone } from './windowing';
import type { Tone } from './windowing';

export type Shown = 'nothing' | 'preview' | 'image' | 'broken';

/** What one pane did that a linked one does too. */
export type Move =
  | { kind: 'scroll'; by: number }
  | { kind: 'zoom'; factor: number; anchor: Point }
  | { kind: 'pan'; across: number; down: number };

export interface PaneListener {
  moved(pane: Pane, move: Move): void;
  drawn(pane: Pane, shown: 'preview' | 'image', slot: Slot): void;
  /** Another image, window or state: the toolbar may show something else. */
  changed(pane: Pane): void;
}

interface View {
  camera: Camera;
  /** Follows the size of the pane until the reader zooms or moves. */
  fitted: boolean;
  tone: Tone | null;
}

/** Neighbours that are decoded ahead of the reader. */
const AHEAD = 3;

export class Pane {
  readonly parts: PaneParts;
  readonly overlay = new Overlay();
  private readonly display: Display;
  private readonly views = new Map<string, View>();
  private readonly previews = new Map<string, HTMLImageElement>();
  private stackShown: Stack | null = null;
  private index = 0;
  private scheduled = false;
  private drawnAs = '';
  draft: Draft | null = null;
  shown: Shown = 'nothing';

  constructor(private readonly desk: Desk, private readonly listener: PaneListener) {
    this.parts = new PaneParts(desk.words, this.overlay.root, {
      scrollTo: (index) => this.scrollTo(index),
      retry: () => this.retry(),
    });
    this.display = new Display(this.parts.canvas);
    new ResizeObserver(() => this.resized()).observe(this.parts.stage);
  }

  get stack(): Stack | null {
    return this.stackShown;
  }

  get slot(): Slot | null {
    return this.stackShown?.slots[this.index] ?? null;
  }

  picture(): Picture | null {
    const slot = this.slot;
    return slot === null ? null : this.desk.library.peek(slot.instance.instance, slot.frame);
  }

  show(stack: Stack, index = 0): void {
    this.stackShown = stack;
    this.parts.showStack(stack, this.desk.words);
    this.leave();
    this.scrollTo(index);
  }

  scrollTo(index: number): void {
    const last = (this.stackShown?.slots.length ?? 1) - 1;
    const next = Math.min(last, Math.max(0, index));
    const by = next - this.index;
    this.index = next;
    this.draft = null;
    if (by !== 0) {
      this.leave();
    }
    const slot = this.slot;
    if (slot !== null) {
      this.desk.library.hurry(slot.instance.instance);
    }
    this.render();
    if (by !== 0) {
      this.listener.moved(this, { kind: 'scroll', by });
    }
    this.listener.changed(this);
  }

  scrollBy(by: number): void {
    this.scrollTo(this.index + by);
  }

  /** To the image and frame, when they are in this pane's stack. */
  goTo(instance: string, frame: number): boolean {
    const index = this.stackShown?.slots.findIndex((slot) =>
      slot.instance.instance === instance && slot.frame === frame) ?? -1;
    if (index >= 0) {
      this.scrollTo(index);
    }
    return index >= 0;
  }

  zoomBy(factor: number, anchor?: Point): void {
    const at = anchor ?? [this.parts.width / 2, this.parts.height / 2] as const;
    this.aim((camera, frame) => zoomed(camera, frame, factor, at));
    this.listener.moved(this, { kind: 'zoom', factor, anchor: at });
  }

  panBy(across: number, down: number): void {
    this.aim((camera, frame) => panned(camera, frame, across, down));
    this.listener.moved(this, { kind: 'pan', across, down });
  }

  fit(): void {
    const view = this.view();
    if (view !== null) {
      view.fitted = true;
      this.render();
    }
  }

  /** One pixel of the image on one of the screen. */
  trueSize(): void {
    this.aim((camera, frame) => zoomed(
      camera, frame, 1 / (camera.zoom * window.devicePixelRatio), [frame.width / 2, frame.height / 2],
    ));
  }

  rotate(): void {
    this.turn((camera) => ({ ...camera, turns: (camera.turns + 1) % 4 }));
  }

  /** As it stands on the screen, whatever was turned before. */
  flip(direction: 'horizontally' | 'vertically'): void {
    this.turn((camera) => {
      const own = camera.turns % 2 === 0 ? direction : direction === 'horizontally' ? 'vertically' : 'horizontally';
      return { ...camera, mirrored: { ...camera.mirrored, [own]: !camera.mirrored[own] } };
    });
  }

  /** The image as it came; what was measured on it goes, marks stay. */
  reset(): void {
    const slot = this.slot;
    if (slot !== null && this.stackShown !== null) {
      this.views.delete(viewKey(this.stackShown, slot));
      this.desk.book.removeMeasurements(slot.instance.instance, slot.frame);
      this.draft = null;
      this.render();
      this.listener.changed(this);
    }
  }

  tone(): Tone | null {
    const picture = this.picture();
    return picture === null ? null : (this.view()?.tone ?? initialTone(picture));
  }

  setTone(change: (tone: Tone, picture: Picture) => Tone): void {
    const [view, picture, tone] = [this.view(), this.picture(), this.tone()];
    if (view !== null && picture !== null && tone !== null) {
      view.tone = change(tone, picture);
      this.render();
      this.listener.changed(this);
    }
  }

  setWindow(next: Window): void {
    this.setTone((tone) => ({ ...tone, window: next, useTable: false }));
  }

  presets(): Preset[] {
    const picture = this.picture();
    return picture !== null && isGrey(picture) ? presets(picture.modality, picture.windows) : [];
  }

  usePreset(preset: Preset): void {
    switch (preset.kind) {
      case 'own':
      case 'known':
        return this.setTone(() => ({ window: preset.window, invert: false, useTable: false }));
      case 'initial':
        return this.setTone((_, picture) => initialTone(picture));
      case 'full':
        return this.setTone((_, picture) => ({ window: fullWindow(picture), invert: false, useTable: false }));
      case 'inverted':
        return this.setTone((_, picture) => ({ ...initialTone(picture), invert: true }));
    }
  }

  /** From pixels of the image to those of the stage. */
  matrix(): Matrix | null {
    const [view, frame] = [this.view(), this.frame()];
    return view === null || frame === null ? null : matrix(view.camera, frame);
  }

  toImage(at: Point): Point | null {
    const m = this.matrix();
    return m === null ? null : apply(inverse(m), at);
  }

  render(): void {
    if (!this.scheduled) {
      this.scheduled = true;
      requestAnimationFrame(() => {
        this.scheduled = false;
        this.draw();
      });
    }
  }

  /** Until the next frame the screen shows the image before this one: nothing drawn there may fall on this one. */
  private leave(): void {
    this.shown = 'nothing';
    this.parts.stage.dataset.state = this.shown;
  }

  private draw(): void {
    const [slot, m] = [this.slot, this.matrix()];
    if (slot === null || m === null || this.parts.canvas.width === 0) {
      return;
    }
    const density = this.parts.density;
    const picture = this.picture();
    const status = this.desk.library.status(slot.instance.instance);
    const preview = picture === null ? this.preview(slot) : null;
    if (picture !== null) {
      this.display.draw(picture, this.tone() ?? initialTone(picture), m, density);
      this.shown = 'image';
    } else if (status.state === 'broken') {
      this.display.clear();
      this.shown = 'broken';
    } else if (preview !== null) {
      this.display.drawPreview(preview, slot.instance.columns, slot.instance.rows, m, density);
      this.shown = 'preview';
    } else {
      this.display.clear();
      this.shown = 'nothing';
    }
    if (picture === null && status.state === 'here') {
      void this.desk.library.picture(slot.instance.instance, slot.frame).then(() => {
        this.render();
        this.listener.changed(this);
      });
    }
    this.drawOverlay(slot, m, picture);
    this.parts.describe({
      slot, index: this.index, count: this.stackShown?.slots.length ?? 1, shown: this.shown, status, picture,
      tone: picture === null ? null : this.tone(), camera: this.view()?.camera ?? null,
    });
    this.tellDrawn(slot);
  }

  private drawOverlay(slot: Slot, m: Matrix, picture: Picture | null): void {
    const { instance, frame } = slot;
    const { heat, heatMaps, book, findings, words, selected } = this.desk;
    const figures = this.shown === 'broken' ? [] : book.on(instance.instance, frame);
    if (this.draft !== null) {
      figures.push(this.draft.figure);
    }
    const visible = heat.allowed && heat.shown && this.stackShown?.prior === null && this.shown !== 'broken';
    const heatMap = visible
      ? (heatMaps.find((one) => one.instance === instance.instance && one.frame === frame && one.finding === heat.finding) ?? null)
      : null;
    this.parts.sayModel(heatMap?.label ?? null);
    this.overlay.draw({
      matrix: m,
      columns: instance.columns,
      rows: instance.rows,
      figures: figures.map((figure) => ({ figure, label: labelOf(figure, picture, findings, words) })),
      selected,
      heatMap,
      opacity: heat.opacity,
    });
  }

  private tellDrawn(slot: Slot): void {
    if (this.shown !== 'preview' && this.shown !== 'image') {
      this.drawnAs = '';
      return;
    }
    const now = `${this.shown} ${slot.instance.instance} ${slot.frame}`;
    if (now !== this.drawnAs) {
      this.drawnAs = now;
      this.listener.drawn(this, this.shown, slot);
      if (this.shown === 'image') {
        this.decodeAhead();
      }
    }
  }

  private decodeAhead(): void {
    for (let step = 1; step <= AHEAD; step += 1) {
      for (const slot of [this.stackShown?.slots[this.index + step], this.stackShown?.slots[this.index - step]]) {
        if (slot !== undefined) {
          void this.desk.library.picture(slot.instance.instance, slot.frame);
        }
      }
    }
  }

  /** The small picture once it is here; an unreadable one is as none. */
  private preview(slot: Slot): HTMLImageElement | null {
    if (slot.quickLook === null) {
      return null;
    }
    const { url } = slot.quickLook;
    const known = this.previews.get(url);
    if (known !== undefined) {
      return known.complete && known.naturalWidth > 0 ? known : null;
    }
    const image = new Image();
    this.previews.set(url, image);
    image.addEventListener('load', () => this.render());
    image.src = url;
    return null;
  }

  private retry(): void {
    const slot = this.slot;
    if (slot !== null) {
      this.desk.library.retry(slot.instance.instance);
      this.render();
    }
  }

  private frame(): Frame | null {
    const slot = this.slot;
    if (slot === null || this.parts.width === 0) {
      return null;
    }
    const { columns, rows, pixelSpacing } = slot.instance;
    const aspect = this.picture()?.aspect ?? (pixelSpacing === null ? 1 : pixelSpacing[0] / pixelSpacing[1]);
    return { columns, rows, aspect, width: this.parts.width, height: this.parts.height };
  }

  private view(): View | null {
    const [slot, frame] = [this.slot, this.frame()];
    if (slot === null || frame === null || this.stackShown === null) {
      return null;
    }
    const key = viewKey(this.stackShown, slot);
    let view = this.views.get(key);
    if (view === undefined) {
      view = { camera: fitted(frame), fitted: true, tone: null };
      this.views.set(key, view);
    }
    if (view.fitted) {
      const { turns, mirrored } = view.camera;
      view.camera = { ...fitted(frame, turns), mirrored };
    }
    return view;
  }

  private aim(change: (camera: Camera, frame: Frame) => Camera): void {
    const [view, frame] = [this.view(), this.frame()];
    if (view !== null && frame !== null) {
      view.camera = change(view.camera, frame);
      view.fitted = false;
      this.render();
    }
  }

  private turn(change: (camera: Camera) => Camera): void {
    const view = this.view();
    if (view !== null) {
      view.camera = change(view.camera);
      this.render();
    }
  }

  private resized(): void {
    this.parts.resize();
    this.render();
  }
}
