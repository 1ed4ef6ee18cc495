/** What all panes share: the images, what is drawn on them, the tool in hand. */

import type { FigureBook } from './figures';
import type { Tool } from './keys';
import type { Library } from './library';
import type { Finding, HeatMap } from './study';
import type { Words } from './words';

export interface Desk {
  words: Words;
  library: Library;
  book: FigureBook;
  findings: readonly Finding[];
  heatMaps: readonly HeatMap[];
  mayMark: boolean;
  tool: Tool;
  /** The finding that the next mark is for. */
  finding: string;
  /** The figure that keys act on. */
  selected: string | null;
  /** `allowed` is the page's word, `shown` the reader's. */
  heat: { allowed: boolean; shown: boolean; opacity: number; finding: string };
}
