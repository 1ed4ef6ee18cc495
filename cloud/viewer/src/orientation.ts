/** Which side of the patient stands at which edge of the pane, however the image was turned. */

import type { Camera } from './camera';
import type { Picture } from './picture';

const OPPOSITE: Record<string, string> = { L: 'R', R: 'L', A: 'P', P: 'A', H: 'F', F: 'H' };

/** Letters for top, right, bottom and left. */
export function sides(orientation: Picture['orientation'], camera: Camera | null): string[] {
  if (orientation === null || camera === null) {
    return [];
  }
  const along = camera.mirrored.horizontally ? opposite(orientation[0]) : orientation[0];
  const down = camera.mirrored.vertically ? opposite(orientation[1]) : orientation[1];
  const unturned = [opposite(down), along, down, opposite(along)];
  // A turn to the right carries what is at the top to the right edge.
  return unturned.map((_, edge) => unturned[(edge - camera.turns + 4) % 4] ?? '');
}

function opposite(letters: string): string {
  return [...letters].map((letter) => OPPOSITE[letter] ?? letter).join('');
}
