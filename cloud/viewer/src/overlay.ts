/** What lies over the image: heat map, figures, handles. Drawn anew whenever something moved. */

import { apply } from './camera';
import type { Matrix } from './camera';
import { svg } from './dom';
import { isMark } from './figures';
import type { Figure } from './figures';
import { corners, distanceToStretch, ellipseOutline } from './geometry';
import type { HeatMap, Point } from './study';

export interface Scene {
  matrix: Matrix;
  columns: number;
  rows: number;
  figures: { figure: Figure; label: string[] }[];
  selected: string | null;
  heatMap: HeatMap | null;
  opacity: number;
}

export class Overlay {
  readonly root = svg('svg', { class: 'bfv-overlay', 'aria-hidden': 'true' });
  private readonly heat = svg('image', { class: 'bfv-heat', preserveAspectRatio: 'none', visibility: 'hidden' });
  private readonly figures = svg('g');

  constructor() {
    this.root.append(this.heat, this.figures);
  }

  draw(scene: Scene): void {
    this.drawHeatMap(scene);
    this.figures.replaceChildren(...scene.figures.flatMap((one) => drawn(one, scene)));
  }

  private drawHeatMap({ heatMap, matrix, columns, rows, opacity }: Scene): void {
    this.heat.setAttribute('visibility', heatMap === null ? 'hidden' : 'visible');
    if (heatMap === null) {
      return;
    }
    if (this.heat.getAttribute('href') !== heatMap.url) {
      this.heat.setAttribute('href', heatMap.url);
    }
    this.heat.setAttribute('width', String(columns));
    this.heat.setAttribute('height', String(rows));
    this.heat.setAttribute('opacity', String(opacity));
    this.heat.setAttribute('transform', `matrix(${matrix.join(' ')})`);
  }
}

/** The outline in pixels of the image, and whether it is closed. */
export function outline(figure: Figure): { points: Point[]; closed: boolean } {
  switch (figure.kind) {
    case 'rectangle':
      return { points: corners(figure.points), closed: true };
    case 'ellipse':
      return { points: ellipseOutline(figure.points), closed: true };
    case 'polygon':
      return { points: figure.points, closed: true };
    case 'length':
    case 'angle':
      return { points: figure.points, closed: false };
  }
}

function drawn({ figure, label }: Scene['figures'][number], scene: Scene): SVGElement[] {
  const { points, closed } = outline(figure);
  const onScreen = points.map((point) => apply(scene.matrix, point));
  const path = onScreen.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');
  const selected = figure.id === scene.selected;
  const kind = `bfv-figure${isMark(figure) ? ' bfv-mark' : ''}${selected ? ' bfv-selected' : ''}`;
  const d = closed ? `${path}Z` : path;
  const parts: SVGElement[] = [svg('path', { class: 'bfv-shadow', d }), svg('path', { class: kind, d })];
  if (selected || figure.kind === 'length' || figure.kind === 'angle') {
    parts.push(...figure.points.map((point) => {
      const [x, y] = apply(scene.matrix, point);
      return svg('circle', { class: `${kind} bfv-handle`, cx: x.toFixed(1), cy: y.toFixed(1), r: selected ? '6' : '3.5' });
    }));
  }
  parts.push(...lines(label, onScreen));
  return parts;
}

const LINE = 18;

function lines(label: string[], onScreen: Point[]): SVGElement[] {
  const lowest = onScreen.reduce((best, point) => (point[1] > best[1] ? point : best), onScreen[0] ?? [0, 0]);
  const left = Math.min(...onScreen.map((point) => point[0]));
  return label.map((line, index) => svg('text', {
    class: 'bfv-label', x: Math.max(4, left).toFixed(1), y: (lowest[1] + LINE * (index + 1)).toFixed(1),
  }, line));
}

/** How far, on the screen, a figure's outline is from a point. */
export function distance(figure: Figure, matrix: Matrix, at: Point): number {
  const { points, closed } = outline(figure);
  const onScreen = points.map((point) => apply(matrix, point));
  const ends = closed ? [...onScreen.slice(1), ...onScreen.slice(0, 1)] : onScreen.slice(1);
  return Math.min(...ends.map((end, index) => distanceToStretch(at, onScreen[index] ?? end, end)));
}
