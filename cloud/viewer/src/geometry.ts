/** Lengths, angles and areas of figures, in pixels of the image; no drawing and no units. */

import type { Point } from './study';

/** Millimetres from one row to the next and from one column to the next; 1 and 1 give pixels. */
export type Scale = readonly [rows: number, columns: number];

export const PIXELS: Scale = [1, 1];

export function length(a: Point, b: Point, scale: Scale): number {
  return Math.hypot((b[0] - a[0]) * scale[1], (b[1] - a[1]) * scale[0]);
}

/** Degrees from 0 to 180 between the legs that meet in `apex`. */
export function angle(a: Point, apex: Point, b: Point, scale: Scale): number {
  const first = [(a[0] - apex[0]) * scale[1], (a[1] - apex[1]) * scale[0]] as const;
  const second = [(b[0] - apex[0]) * scale[1], (b[1] - apex[1]) * scale[0]] as const;
  const cross = first[0] * second[1] - first[1] * second[0];
  const dot = first[0] * second[0] + first[1] * second[1];
  return Math.abs(Math.atan2(cross, dot)) * (180 / Math.PI);
}

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export function box(points: readonly Point[]): Box {
  const columns = points.map((point) => point[0]);
  const rows = points.map((point) => point[1]);
  return {
    left: Math.min(...columns),
    top: Math.min(...rows),
    right: Math.max(...columns),
    bottom: Math.max(...rows),
  };
}

export function rectangleArea(points: readonly Point[], scale: Scale): number {
  const { left, top, right, bottom } = box(points);
  return (right - left) * scale[1] * (bottom - top) * scale[0];
}

export function ellipseArea(points: readonly Point[], scale: Scale): number {
  return rectangleArea(points, scale) * (Math.PI / 4);
}

export function insideEllipse(point: Point, bounds: Box): boolean {
  const across = (bounds.right - bounds.left) / 2;
  const down = (bounds.bottom - bounds.top) / 2;
  if (across <= 0 || down <= 0) {
    return false;
  }
  const x = (point[0] - bounds.left - across) / across;
  const y = (point[1] - bounds.top - down) / down;
  return x * x + y * y <= 1;
}

/** How far a point lies from the stretch between two others. */
export function distanceToStretch(point: Point, a: Point, b: Point): number {
  const along = [b[0] - a[0], b[1] - a[1]] as const;
  const squared = along[0] * along[0] + along[1] * along[1];
  const share = squared === 0 ? 0 : ((point[0] - a[0]) * along[0] + (point[1] - a[1]) * along[1]) / squared;
  const nearest = Math.min(1, Math.max(0, share));
  return Math.hypot(point[0] - a[0] - nearest * along[0], point[1] - a[1] - nearest * along[1]);
}

/** The corners of an ellipse's outline, enough for any screen. */
export function ellipseOutline(points: readonly Point[]): Point[] {
  const { left, top, right, bottom } = box(points);
  return Array.from({ length: 72 }, (_, step): Point => {
    const turn = (step / 72) * 2 * Math.PI;
    return [
      (left + right) / 2 + (Math.cos(turn) * (right - left)) / 2,
      (top + bottom) / 2 + (Math.sin(turn) * (bottom - top)) / 2,
    ];
  });
}

export function corners(points: readonly Point[]): Point[] {
  const { left, top, right, bottom } = box(points);
  return [[left, top], [right, top], [right, bottom], [left, bottom]];
}

export interface Statistics {
  count: number;
  mean: number;
  deviation: number;
  least: number;
  most: number;
}

/** Of the pixels whose middle lies within; `null` when there is none. */
export function statistics(
  points: readonly Point[],
  shape: 'rectangle' | 'ellipse',
  rows: number,
  columns: number,
  value: (index: number) => number,
): Statistics | null {
  const bounds = box(points);
  const firstColumn = Math.max(0, Math.ceil(bounds.left - 0.5));
  const lastColumn = Math.min(columns - 1, Math.ceil(bounds.right - 0.5) - 1);
  const firstRow = Math.max(0, Math.ceil(bounds.top - 0.5));
  const lastRow = Math.min(rows - 1, Math.ceil(bounds.bottom - 0.5) - 1);
  // Welford's: no large sums of squares.
  let [count, mean, spread, least, most] = [0, 0, 0, Infinity, -Infinity];
  for (let row = firstRow; row <= lastRow; row += 1) {
    for (let column = firstColumn; column <= lastColumn; column += 1) {
      if (shape === 'ellipse' && !insideEllipse([column + 0.5, row + 0.5], bounds)) {
        continue;
      }
      const here = value(row * columns + column);
      count += 1;
      const off = here - mean;
      mean += off / count;
      spread += off * (here - mean);
      least = Math.min(least, here);
      most = Math.max(most, here);
    }
  }
  return count === 0 ? null : { count, mean, deviation: Math.sqrt(spread / count), least, most };
}
