/** One table of what can be done, by which key, with which word: the toolbar and the help are made from it. */

import type { Word } from './words';

export type Tool =
  | 'window' | 'scroll' | 'pan' | 'zoom'
  | 'length' | 'angle' | 'box' | 'ellipse'
  | 'markRectangle' | 'markEllipse' | 'markPolygon';

export type Action =
  | Tool
  | 'fit' | 'trueSize' | 'invert' | 'rotate' | 'flipHorizontal' | 'flipVertical' | 'reset'
  | 'compare' | 'link' | 'heatMap' | 'fainter' | 'stronger' | 'help'
  | 'next' | 'previous' | 'first' | 'last' | 'nextSeries' | 'previousSeries' | 'closer' | 'farther'
  | 'remove' | 'cancel' | 'place' | 'strength' | `preset${number}`;

const TOOLS: readonly Action[] = [
  'window', 'scroll', 'pan', 'zoom', 'length', 'angle', 'box', 'ellipse',
  'markRectangle', 'markEllipse', 'markPolygon',
];

export function isTool(action: Action): action is Tool {
  return TOOLS.includes(action);
}

export function isMarkTool(tool: Tool): boolean {
  return tool.startsWith('mark');
}

export interface Entry {
  action: Action;
  /** As `KeyboardEvent.key` says it, letters in small; `+` joins with Shift. */
  key: string;
  word: Word;
}

export const ENTRIES: readonly Entry[] = [
  { action: 'window', key: 'w', word: 'windowTool' },
  { action: 'scroll', key: 's', word: 'scroll' },
  { action: 'pan', key: 'p', word: 'pan' },
  { action: 'zoom', key: 'z', word: 'zoom' },
  { action: 'length', key: 'l', word: 'length' },
  { action: 'angle', key: 'a', word: 'angle' },
  { action: 'box', key: 'b', word: 'box' },
  { action: 'ellipse', key: 'e', word: 'ellipse' },
  { action: 'markRectangle', key: 'Shift+b', word: 'markRectangle' },
  { action: 'markEllipse', key: 'Shift+e', word: 'markEllipse' },
  { action: 'markPolygon', key: 'Shift+p', word: 'markPolygon' },
  { action: 'fit', key: 'f', word: 'fit' },
  { action: 'trueSize', key: 't', word: 'trueSize' },
  { action: 'invert', key: 'i', word: 'invert' },
  { action: 'rotate', key: 'r', word: 'rotate' },
  { action: 'flipHorizontal', key: 'x', word: 'flipHorizontal' },
  { action: 'flipVertical', key: 'y', word: 'flipVertical' },
  { action: 'reset', key: '0', word: 'reset' },
  { action: 'compare', key: 'c', word: 'compare' },
  { action: 'link', key: 'k', word: 'link' },
  { action: 'heatMap', key: 'h', word: 'heatMap' },
  { action: 'help', key: '?', word: 'help' },
];

/** Keys without a button. */
const FURTHER: Record<string, Action> = {
  ArrowDown: 'next', ArrowRight: 'next', PageDown: 'next',
  ArrowUp: 'previous', ArrowLeft: 'previous', PageUp: 'previous',
  Home: 'first', End: 'last',
  n: 'nextSeries', 'Shift+n': 'previousSeries',
  '+': 'closer', '=': 'closer', '-': 'farther',
  '[': 'fainter', ']': 'stronger',
  Delete: 'remove', Backspace: 'remove', Escape: 'cancel', Enter: 'place',
};

/** What the help says beside the buttons' keys. */
export const FURTHER_HELP: readonly { keys: string; word: Word }[] = [
  { keys: '1 … 9', word: 'preset' },
  { keys: '↑ ↓  PgUp PgDn', word: 'image' },
  { keys: 'Home End', word: 'lastImage' },
  { keys: 'N', word: 'nextSeries' },
  { keys: '+ −', word: 'zoom' },
  { keys: '[ ]', word: 'opacity' },
  { keys: 'Enter', word: 'placeFigure' },
  { keys: 'Alt + ↑ ↓ ← →', word: 'moveSelected' },
  { keys: 'Del', word: 'removeSelected' },
  { keys: 'Esc', word: 'cancel' },
];

export function actionOf(event: KeyboardEvent): Action | null {
  if (event.ctrlKey || event.metaKey || event.altKey) {
    return null;
  }
  if (/^[1-9]$/.test(event.key)) {
    return `preset${Number(event.key)}`;
  }
  const isLetter = /^[a-z]$/i.test(event.key);
  const key = isLetter ? `${event.shiftKey ? 'Shift+' : ''}${event.key.toLowerCase()}` : event.key;
  return ENTRIES.find((entry) => entry.key === key)?.action ?? FURTHER[key] ?? null;
}

export function keyName(key: string): string {
  return key.length === 1 ? key.toUpperCase() : key.replace(/\+(.)$/, (_, letter: string) => ` + ${letter.toUpperCase()}`);
}
