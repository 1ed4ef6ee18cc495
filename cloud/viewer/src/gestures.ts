/** Mouse, pen and fingers on a pane's stage: what the tool in hand makes of them. */

import { apply } from './camera';
import type { Desk } from './desk';
import { begin, finished, fix, follow, moved, within } from './drafting';
import { isMark } from './figures';
import type { Figure, FigureKind } from './figures';
import { isMarkTool } from './keys';
import type { Tool } from './keys';
import { distance } from './overlay';
import type { Pane } from './pane';
import type { Window } from './presets';
import type { Point } from './study';

const KINDS: Partial<Record<Tool, FigureKind>> = {
  length: 'length', angle: 'angle', box: 'rectangle', ellipse: 'ellipse',
  markRectangle: 'rectangle', markEllipse: 'ellipse', markPolygon: 'polygon',
};

/** On the screen: less is a click, not a drag. */
const CLICK = 4;
const NEAR_MOUSE = 8;
const NEAR_FINGER = 22;
/** Between the points of an outline drawn in one stroke. */
const STROKE = 6;
const WHEEL_ZOOM = 1.1;

type Drag =
  | { kind: 'window'; from: Point; window: Window }
  | { kind: 'pan' | 'zoom'; last: Point; from: Point }
  | { kind: 'scroll'; last: number }
  | { kind: 'draw'; from: Point; moved: boolean }
  | { kind: 'point'; figure: Figure; index: number }
  | { kind: 'figure'; figure: Figure; last: Point }
  | { kind: 'pinch'; middle: Point; span: number };

export interface GestureListener {
  /** The pane is the one that keys and toolbar act on. */
  activated(): void;
  selected(id: string | null): void;
  /** A figure was finished or changed. */
  edited(figure: Figure): void;
}

export class Gestures {
  private readonly pointers = new Map<number, Point>();
  private drag: Drag | null = null;

  constructor(private readonly pane: Pane, private readonly desk: Desk, private readonly listener: GestureListener) {
    const { stage } = pane.parts;
    stage.addEventListener('pointerdown', (event) => this.down(event));
    stage.addEventListener('pointermove', (event) => this.move(event));
    stage.addEventListener('pointerup', (event) => this.up(event));
    stage.addEventListener('pointercancel', (event) => this.up(event));
    stage.addEventListener('dblclick', () => this.finish());
    stage.addEventListener('contextmenu', (event) => event.preventDefault());
    stage.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
  }

  /** Ends a figure that is being drawn. */
  finish(): void {
    const { draft } = this.pane;
    if (draft === null) {
      return;
    }
    this.pane.draft = null;
    const figure = finished(draft);
    if (figure !== null) {
      this.desk.book.add(figure);
      this.listener.selected(figure.id);
      this.listener.edited(figure);
    }
    this.pane.render();
  }

  /** For the keyboard: a figure of the tool's kind in the middle, to be moved from there. */
  place(): void {
    const kind = this.drawable();
    const [slot, middle] = [this.pane.slot, this.pane.toImage([this.pane.parts.width / 2, this.pane.parts.height / 2])];
    if (kind === null || slot === null || middle === null) {
      return;
    }
    const { columns, rows } = slot.instance;
    const [column, row] = within(middle, columns, rows);
    const [across, down] = [columns / 10, rows / 10];
    const all: Point[] = kind === 'polygon'
      ? [[column, row - down], [column + across, row + down], [column - across, row + down]]
      : kind === 'angle'
        ? [[column - across, row - down], [column, row], [column + across, row - down]]
        : [[column - across, row - down], [column + across, row + down]];
    const figure: Figure = {
      id: this.desk.book.newId(),
      instance: slot.instance.instance,
      frame: slot.frame,
      kind,
      points: all.map((point) => within(point, columns, rows)),
      finding: isMarkTool(this.desk.tool) ? this.desk.finding : null,
    };
    this.desk.book.add(figure);
    this.listener.selected(figure.id);
    this.listener.edited(figure);
    this.pane.render();
  }

  /** What the tool draws here; `null` where it may not. */
  private drawable(): FigureKind | null {
    const kind = KINDS[this.desk.tool] ?? null;
    const marks = isMarkTool(this.desk.tool);
    const allowed = !marks || (this.desk.mayMark && this.desk.finding !== '' && this.pane.stack?.prior === null);
    // On a preview nothing can be measured, and a mark would be put by a picture that is not the image.
    return kind !== null && allowed && this.pane.shown === 'image' ? kind : null;
  }

  private down(event: PointerEvent): void {
    if ((event.target as Element).closest('button') !== null) {
      return;
    }
    const at = this.at(event);
    this.listener.activated();
    this.pane.parts.stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, at);
    if (this.pointers.size === 2) {
      this.pane.draft = null;
      this.drag = this.pinch();
      return;
    }
    if (this.pointers.size > 2) {
      return;
    }
    if (event.button === 1) {
      event.preventDefault();
      this.drag = { kind: 'pan', last: at, from: at };
    } else if (event.button === 2) {
      this.drag = { kind: 'zoom', last: at, from: at };
    } else {
      this.drag = this.draw(event, at) ?? this.grab(event, at) ?? this.start(at);
    }
  }

  private draw(event: PointerEvent, at: Point): Drag | null {
    const { draft } = this.pane;
    const inImage = this.inImage(at);
    if (draft === null || inImage === null) {
      return null;
    }
    const first = this.onScreen(draft.figure.points[0]);
    const closes = draft.figure.kind === 'polygon' && draft.fixed >= 3 && first !== null && apart(first, at) <= near(event);
    if (closes || fix(draft, inImage)) {
      this.finish();
      return null;
    }
    this.pane.render();
    return { kind: 'draw', from: at, moved: false };
  }

  /** A point or an outline under the pointer. */
  private grab(event: PointerEvent, at: Point): Drag | null {
    const [slot, matrix] = [this.pane.slot, this.pane.matrix()];
    if (slot === null || matrix === null || this.pane.shown !== 'image') {
      return null;
    }
    const figures = this.desk.book.on(slot.instance.instance, slot.frame);
    const reachable = figures.map((figure) => ({ figure, away: distance(figure, matrix, at) }))
      .filter(({ figure, away }) => away <= near(event) || this.pointNear(figure, at, event) >= 0)
      .sort((one, other) => one.away - other.away)[0];
    if (reachable === undefined) {
      if (this.desk.selected !== null) {
        this.listener.selected(null);
      }
      return null;
    }
    const { figure } = reachable;
    this.listener.selected(figure.id);
    this.pane.render();
    const inImage = this.inImage(at);
    if (inImage === null || (isMark(figure) && !this.desk.mayMark)) {
      return null;
    }
    const index = this.pointNear(figure, at, event);
    return index >= 0 ? { kind: 'point', figure, index } : { kind: 'figure', figure, last: inImage };
  }

  private start(at: Point): Drag | null {
    const kind = this.drawable();
    const [slot, inImage] = [this.pane.slot, this.inImage(at)];
    if (kind !== null && slot !== null && inImage !== null) {
      const place = { instance: slot.instance.instance, frame: slot.frame };
      const finding = isMarkTool(this.desk.tool) ? this.desk.finding : null;
      this.pane.draft = begin(this.desk.book.newId(), kind, place, inImage, finding);
      this.pane.render();
      return { kind: 'draw', from: at, moved: false };
    }
    switch (this.desk.tool) {
      case 'window': {
        const tone = this.pane.tone();
        return tone === null ? null : { kind: 'window', from: at, window: tone.window };
      }
      case 'pan':
      case 'zoom':
        return { kind: this.desk.tool, last: at, from: at };
      case 'scroll':
        return { kind: 'scroll', last: at[1] };
      default:
        return null;
    }
  }

  private move(event: PointerEvent): void {
    const at = this.at(event);
    const inImage = this.inImage(at);
    const { draft } = this.pane;
    if (this.pointers.has(event.pointerId)) {
      this.pointers.set(event.pointerId, at);
    }
    if (this.drag?.kind === 'draw' && draft !== null && inImage !== null) {
      this.drag.moved ||= apart(this.drag.from, at) > CLICK;
      const last = this.onScreen(draft.figure.points[draft.fixed - 1]);
      if (draft.figure.kind === 'polygon' && this.drag.moved && last !== null && apart(last, at) >= STROKE) {
        fix(draft, inImage);
      }
    }
    if (draft !== null && inImage !== null && this.drag?.kind !== 'pinch') {
      follow(draft, inImage);
      this.pane.render();
    } else if (this.drag !== null) {
      this.drag = this.dragged(this.drag, at, inImage);
    }
  }

  private dragged(drag: Drag, at: Point, inImage: Point | null): Drag {
    const { pane } = this;
    switch (drag.kind) {
      case 'window': {
        // Twice as wide, or a window's width up, in a third of the pane.
        const reach = Math.max(120, pane.parts.width / 3);
        const width = Math.max(1, drag.window.width * 2 ** ((at[0] - drag.from[0]) / reach));
        pane.setWindow({ width, center: drag.window.center + ((at[1] - drag.from[1]) / reach) * drag.window.width });
        return drag;
      }
      case 'pan':
        pane.panBy(at[0] - drag.last[0], at[1] - drag.last[1]);
        return { ...drag, last: at };
      case 'zoom':
        pane.zoomBy(1.01 ** (drag.last[1] - at[1]), drag.from);
        return { ...drag, last: at };
      case 'scroll': {
        const steps = Math.trunc((at[1] - drag.last) / 12);
        if (steps !== 0) {
          pane.scrollBy(steps);
        }
        return { ...drag, last: drag.last + steps * 12 };
      }
      case 'point':
        if (inImage !== null) {
          drag.figure.points[drag.index] = inImage;
          pane.render();
        }
        return drag;
      case 'figure':
        return inImage === null ? drag : { ...drag, last: this.carry(drag.figure, drag.last, inImage) };
      case 'pinch': {
        const next = this.pinch();
        pane.panBy(next.middle[0] - drag.middle[0], next.middle[1] - drag.middle[1]);
        if (drag.span > 0) {
          pane.zoomBy(next.span / drag.span, next.middle);
        }
        return next;
      }
      case 'draw':
        return drag;
    }
  }

  private carry(figure: Figure, from: Point, to: Point): Point {
    const slot = this.pane.slot;
    if (slot !== null) {
      figure.points = moved(figure.points, to[0] - from[0], to[1] - from[1], slot.instance.columns, slot.instance.rows);
      this.pane.render();
    }
    return to;
  }

  private up(event: PointerEvent): void {
    const drag = this.drag;
    this.pointers.delete(event.pointerId);
    this.drag = null;
    const { draft } = this.pane;
    if (drag?.kind === 'draw' && drag.moved && draft !== null) {
      const inImage = this.inImage(this.at(event));
      const isWhole = inImage !== null && fix(draft, inImage);
      if (isWhole || (draft.figure.kind === 'polygon' && draft.fixed > 3)) {
        this.finish();
      }
    } else if (drag?.kind === 'point' || drag?.kind === 'figure') {
      this.listener.edited(drag.figure);
    }
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    this.listener.activated();
    const direction = Math.sign(event.deltaY);
    const isStack = (this.pane.stack?.slots.length ?? 0) > 1;
    if (isStack && !event.ctrlKey) {
      this.pane.scrollBy(direction);
    } else {
      this.pane.zoomBy(WHEEL_ZOOM ** -direction, this.at(event));
    }
  }

  private pinch(): Extract<Drag, { kind: 'pinch' }> {
    const [one = [0, 0], other = one] = [...this.pointers.values()] as Point[];
    return { kind: 'pinch', middle: [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2], span: apart(one, other) };
  }

  private pointNear(figure: Figure, at: Point, event: PointerEvent): number {
    return figure.points.findIndex((point) => {
      const onScreen = this.onScreen(point);
      return onScreen !== null && apart(onScreen, at) <= near(event);
    });
  }

  private onScreen(point: Point | undefined): Point | null {
    const matrix = this.pane.matrix();
    return matrix === null || point === undefined ? null : apply(matrix, point);
  }

  private inImage(at: Point): Point | null {
    const [point, slot] = [this.pane.toImage(at), this.pane.slot];
    return point === null || slot === null ? null : within(point, slot.instance.columns, slot.instance.rows);
  }

  private at(event: MouseEvent): Point {
    const { left, top } = this.pane.parts.stage.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }
}

function apart(one: Point, other: Point): number {
  return Math.hypot(one[0] - other[0], one[1] - other[1]);
}

function near(event: PointerEvent): number {
  return event.pointerType === 'mouse' ? NEAR_MOUSE : NEAR_FINGER;
}
