/** What stands beside a figure: its length, its angle, its grey values, its finding; always with the unit. */

import { angle, ellipseArea, length, PIXELS, rectangleArea, statistics } from './geometry';
import type { Figure } from './figures';
import type { Picture } from './picture';
import { isGrey } from './picture';
import type { Finding } from './study';
import type { Words } from './words';

export function labelOf(figure: Figure, picture: Picture | null, findings: readonly Finding[], words: Words): string[] {
  if (figure.finding !== null) {
    return [findings.find((finding) => finding.code === figure.finding)?.label ?? figure.finding];
  }
  const scale = picture?.spacing?.scale ?? PIXELS;
  const unit = picture?.spacing == null ? words.pixels : 'mm';
  const [a, b, c] = figure.points;
  switch (figure.kind) {
    case 'length':
      return a && b ? [`${rounded(length(a, b, scale))} ${unit}`, ...doubt(picture, words)] : [];
    case 'angle': {
      const legs = picture?.spacing?.scale ?? [picture?.aspect ?? 1, 1] as const;
      return a && b && c ? [`${angle(a, b, c, legs).toFixed(1)}°`] : [];
    }
    case 'rectangle':
    case 'ellipse': {
      const area = figure.kind === 'rectangle' ? rectangleArea(figure.points, scale) : ellipseArea(figure.points, scale);
      const areas = [`${words.area} ${rounded(area)} ${unit}²`, ...doubt(picture, words)];
      return picture === null ? areas : [...values(figure.points, figure.kind, picture, words), ...areas];
    }
    case 'polygon':
      return [];
  }
}

function values(points: Figure['points'], kind: 'rectangle' | 'ellipse', picture: Picture, words: Words): string[] {
  if (!isGrey(picture)) {
    return [words.colour];
  }
  const found = statistics(points, kind, picture.rows, picture.columns, (index) => picture.pixels[index] ?? 0);
  if (found === null) {
    return [];
  }
  const unit = picture.unit === '' ? '' : ` ${picture.unit}`;
  return [
    `${words.mean} ${rounded(found.mean)}${unit} · ${words.deviation} ${rounded(found.deviation)}`,
    `${words.least} ${rounded(found.least)} · ${words.most} ${rounded(found.most)}${unit}`,
  ];
}

/** What keeps a figure from being the size of something in the patient. */
function doubt(picture: Picture | null, words: Words): string[] {
  if (picture?.spacing == null) {
    return [words.uncalibrated];
  }
  return picture.spacing.plane === 'detector' ? [words.atDetector] : [];
}

function rounded(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return Number.isInteger(value) ? String(value) : value.toFixed(digits);
}
