/** The toolbar's pictures, 24 by 24. */

import { svg } from './dom';
import type { Action } from './keys';

const PLUS = 'M19 3v6M16 6h6';
const CURVE = 'M8 14l2.5-3 3 2 2.5-4';

const PATHS: Partial<Record<Action, { lines: string; filled?: string }>> = {
  window: { lines: 'M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18', filled: 'M12 3a9 9 0 0 1 0 18z' },
  scroll: { lines: 'M4 8l8-4 8 4-8 4zM4 12l8 4 8-4M4 16l8 4 8-4' },
  pan: { lines: 'M12 3v18M3 12h18M9 6l3-3 3 3M9 18l3 3 3-3M6 9l-3 3 3 3M18 9l3 3-3 3' },
  zoom: { lines: 'M10.5 4a6.5 6.5 0 1 0 0 13a6.5 6.5 0 1 0 0-13M15.5 15.5L21 21M8 10.5h5M10.5 8v5' },
  length: { lines: 'M3 17L17 3l4 4L7 21zM7 13l2 2M10 10l3 3M14 6l2 2' },
  angle: { lines: 'M20 19H4L14 5M11.5 19a8 8 0 0 0-3-6' },
  box: { lines: `M4 5h16v14H4z${CURVE}` },
  ellipse: { lines: `M12 5c5.5 0 9.500 3 9.500 7s-4 7-9.500 7-9.500-3-9.500-7 4-7 9.500-7z${CURVE}` },
  markRectangle: { lines: `M14 7H3v12h15v-7${PLUS}` },
  markEllipse: { lines: `M14 6.300C8 5 3 8.500 3 13c0 3.500 3.500 6 7.500 6 5 0 8.500-3 7.500-7.500${PLUS}` },
  markPolygon: { lines: `M14 6L6 9l-3 6 7 5 8-3v-5${PLUS}` },
  fit: { lines: 'M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5' },
  invert: { lines: 'M4 4h16v16H4z', filled: 'M20 4v16H4z' },
  rotate: { lines: 'M19 13a7 7 0 1 1-2.500-6.500M17 2v5h-5' },
  flipHorizontal: { lines: 'M12 3v18M9 7L3 17h6z', filled: 'M15 7l6 10h-6z' },
  flipVertical: { lines: 'M3 12h18M7 9L17 3v6z', filled: 'M7 15l10 6v-6z' },
  reset: { lines: 'M5 13a7 7 0 1 0 2.500-6.500M7 2v5h5' },
  compare: { lines: 'M3 5h8v14H3zM13 5h8v14h-8z' },
  link: { lines: 'M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1' },
  heatMap: { lines: 'M12 3c1 4 6 6 6 11a6 6 0 0 1-12 0c0-2 1-3.500 2-4.500 0 2 1 3 2 3 1-3-.500-6 2-9.500z' },
};

const TEXTS: Partial<Record<Action, string>> = { trueSize: '1:1', help: '?' };

export function icon(action: Action): SVGElement | string {
  const paths = PATHS[action];
  if (paths === undefined) {
    return TEXTS[action] ?? action;
  }
  const picture = svg('svg', { viewBox: '0 0 24 24', class: 'bfv-icon', 'aria-hidden': 'true' });
  picture.append(svg('path', { d: paths.lines }));
  if (paths.filled !== undefined) {
    picture.append(svg('path', { d: paths.filled, class: 'bfv-filled' }));
  }
  return picture;
}
