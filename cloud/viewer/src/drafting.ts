/** Drawing a new figure point by point, and moving the points of one that is there. Knows nothing of screens but distances. */

import type { Figure, FigureKind } from './figures';
import { wanted } from './figures';
import { box } from './geometry';
import type { Point } from './study';

/** A figure that is being drawn; its last point follows the pointer. */
export interface Draft {
  figure: Figure;
  fixed: number;
}

export function begin(id: string, kind: FigureKind, place: { instance: string; frame: number }, at: Point, finding: string | null): Draft {
  return { figure: { id, ...place, kind, points: [at, at], finding }, fixed: 1 };
}

export function follow(draft: Draft, at: Point): void {
  draft.figure.points[draft.fixed] = at;
}

/** Fixes the point under the pointer. True when the figure is whole. */
export function fix(draft: Draft, at: Point): boolean {
  follow(draft, at);
  draft.fixed += 1;
  if (draft.fixed >= wanted(draft.figure.kind)) {
    return true;
  }
  follow(draft, at);
  return false;
}

/** The outline without the point that follows the pointer; `null` when too little was drawn to mean anything. */
export function finished(draft: Draft): Figure | null {
  const { figure } = draft;
  const points = figure.points.slice(0, draft.fixed).filter((point, index, all) => {
    const before = all[index - 1];
    return before === undefined || point[0] !== before[0] || point[1] !== before[1];
  });
  const { left, top, right, bottom } = box(points);
  const [across, down] = [right - left, bottom - top];
  switch (figure.kind) {
    case 'length':
      return points.length === 2 && across + down >= 1 ? { ...figure, points } : null;
    case 'angle':
      return points.length === 3 ? { ...figure, points } : null;
    case 'rectangle':
    case 'ellipse':
      return points.length === 2 && across >= 1 && down >= 1 ? { ...figure, points } : null;
    case 'polygon':
      return points.length >= 3 && across >= 1 && down >= 1 ? { ...figure, points } : null;
  }
}

/** Kept on the image: a mark beside it would mean nothing. */
export function within(point: Point, columns: number, rows: number): Point {
  return [Math.min(columns, Math.max(0, point[0])), Math.min(rows, Math.max(0, point[1]))];
}

export function moved(points: readonly Point[], across: number, down: number, columns: number, rows: number): Point[] {
  const { left, top, right, bottom } = box(points);
  const byColumns = Math.min(columns - right, Math.max(-left, across));
  const byRows = Math.min(rows - bottom, Math.max(-top, down));
  return points.map(([column, row]): Point => [column + byColumns, row + byRows]);
}
