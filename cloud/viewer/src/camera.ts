/** Where on the screen a point of the image lies. Pure: one camera serves image, preview, heat map and figures. */

import type { Point } from './study';

export interface Camera {
  /** Screen pixels (CSS) for one column. */
  zoom: number;
  /** The point of the image, in pixels, that stands in the middle of the pane. */
  middle: Point;
  /** Quarter turns to the right. */
  turns: number;
  /** Before turning. */
  mirrored: { horizontally: boolean; vertically: boolean };
}

/** What the camera looks at and through. */
export interface Frame {
  columns: number;
  rows: number;
  /** How much higher than wide a pixel is. */
  aspect: number;
  width: number;
  height: number;
}

/** As canvas and SVG take it: x' = a·x + c·y + e, y' = b·x + d·y + f. */
export type Matrix = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

const COSINES = [1, 0, -1, 0] as const;
const SINES = [0, 1, 0, -1] as const;

export function fitted(frame: Frame, turns = 0): Camera {
  const across = frame.columns;
  const down = frame.rows * frame.aspect;
  const sideways = turns % 2 === 1;
  const zoom = Math.min(frame.width / (sideways ? down : across), frame.height / (sideways ? across : down));
  return {
    zoom,
    middle: [frame.columns / 2, frame.rows / 2],
    turns,
    mirrored: { horizontally: false, vertically: false },
  };
}

export function matrix(camera: Camera, frame: Frame): Matrix {
  const across = camera.zoom * (camera.mirrored.horizontally ? -1 : 1);
  const down = camera.zoom * frame.aspect * (camera.mirrored.vertically ? -1 : 1);
  const turn = ((camera.turns % 4) + 4) % 4;
  const cosine = COSINES[turn as 0 | 1 | 2 | 3];
  const sine = SINES[turn as 0 | 1 | 2 | 3];
  const [a, b, c, d] = [cosine * across, sine * across, -sine * down, cosine * down];
  const [column, row] = camera.middle;
  return [a, b, c, d, frame.width / 2 - a * column - c * row, frame.height / 2 - b * column - d * row];
}

export function apply(m: Matrix, point: Point): Point {
  return [m[0] * point[0] + m[2] * point[1] + m[4], m[1] * point[0] + m[3] * point[1] + m[5]];
}

export function inverse(m: Matrix): Matrix {
  const [a, b, c, d, e, f] = m;
  const determinant = a * d - b * c;
  return [
    d / determinant, -b / determinant, -c / determinant, a / determinant,
    (c * f - d * e) / determinant, (b * e - a * f) / determinant,
  ];
}

const LEAST_ZOOM = 0.02;
const MOST_ZOOM = 64;

/** Closer by `factor`; the image's point under `anchor` (on the screen) stays there. */
export function zoomed(camera: Camera, frame: Frame, factor: number, anchor: Point): Camera {
  const held = apply(inverse(matrix(camera, frame)), anchor);
  const zoom = Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, camera.zoom * factor));
  return anchored({ ...camera, zoom }, frame, held, anchor);
}

/** Moved by some pixels of the screen. */
export function panned(camera: Camera, frame: Frame, across: number, down: number): Camera {
  const back = inverse(matrix(camera, frame));
  return { ...camera, middle: apply(back, [frame.width / 2 - across, frame.height / 2 - down]) };
}

/** So that the image's point `held` stands at `anchor` on the screen. */
function anchored(camera: Camera, frame: Frame, held: Point, anchor: Point): Camera {
  const now = apply(matrix(camera, frame), held);
  return panned(camera, frame, anchor[0] - now[0], anchor[1] - now[1]);
}
