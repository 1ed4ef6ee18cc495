/** The buttons above the images, made from the table of keys. */

import type { Desk } from './desk';
import { element } from './dom';
import { icon } from './icons';
import { ENTRIES, isMarkTool, isTool, keyName } from './keys';
import type { Action } from './keys';
import type { Pane } from './pane';
import type { Preset } from './presets';
import type { Words } from './words';

export interface ToolbarState {
  pane: Pane;
  compared: boolean;
  linked: boolean;
  canCompare: boolean;
  hasHeatMap: boolean;
}

/** Where a new group begins, for eye and ear. */
const GROUP_STARTS: readonly Action[] = ['length', 'markRectangle', 'fit', 'invert', 'compare', 'heatMap', 'help'];

export class Toolbar {
  readonly root: HTMLElement;
  private readonly buttons = new Map<Action, HTMLButtonElement>();
  private readonly preset: HTMLSelectElement;
  private readonly finding: HTMLSelectElement;
  private readonly opacity: HTMLInputElement;
  private readonly heatMap: HTMLSelectElement;
  private presetsShown: string | null = null;

  constructor(private readonly desk: Desk, act: (action: Action) => void) {
    const { words } = desk;
    this.root = element('div', { class: 'bfv-toolbar', role: 'toolbar', 'aria-label': words.tools });
    let group = element('div', { class: 'bfv-group' });
    this.root.append(group);
    for (const { action, key, word } of ENTRIES) {
      if (GROUP_STARTS.includes(action)) {
        group = element('div', { class: 'bfv-group' });
        this.root.append(group);
      }
      const button = element('button', {
        type: 'button', 'data-action': action, 'aria-label': words[word], title: `${words[word]} (${keyName(key)})`,
        'aria-keyshortcuts': key.toUpperCase().replace('SHIFT', 'Shift'),
      });
      button.append(icon(action));
      button.addEventListener('click', () => act(action));
      this.buttons.set(action, button);
      group.append(button);
    }
    this.preset = element('select', { class: 'bfv-preset', 'aria-label': words.preset });
    this.preset.addEventListener('change', () => act(`preset${Number(this.preset.value)}`));
    this.buttons.get('window')?.parentElement?.append(this.preset);
    this.finding = element('select', { class: 'bfv-finding', 'aria-label': words.finding });
    this.finding.append(...desk.findings.map(({ code, label }) => element('option', { value: code }, label)));
    this.finding.value = desk.finding;
    this.finding.addEventListener('change', () => { desk.finding = this.finding.value; });
    const marks = this.buttons.get('markRectangle')?.parentElement;
    marks?.append(this.finding);
    if (marks != null) {
      marks.hidden = !desk.mayMark || desk.findings.length === 0;
    }
    this.opacity = element('input', { type: 'range', min: '10', max: '100', value: '50', 'aria-label': words.opacity });
    this.opacity.addEventListener('input', () => {
      desk.heat.opacity = Number(this.opacity.value) / 100;
      act('strength');
    });
    this.heatMap = element('select', { 'aria-label': words.heatMap });
    const kinds = new Map(desk.heatMaps.map(({ finding, label }) => [finding, label]));
    this.heatMap.append(...[...kinds].map(([finding, label]) => element('option', { value: finding }, label)));
    this.heatMap.value = desk.heat.finding;
    this.heatMap.hidden = kinds.size < 2;
    this.heatMap.addEventListener('change', () => {
      desk.heat.finding = this.heatMap.value;
      act('strength');
    });
    this.buttons.get('heatMap')?.parentElement?.append(this.heatMap, this.opacity);
  }

  update(state: ToolbarState): void {
    const { desk } = this;
    const { pane } = state;
    const tone = pane.tone();
    const pressed: Partial<Record<Action, boolean>> = {
      compare: state.compared, link: state.linked, heatMap: desk.heat.shown, invert: tone?.invert ?? false,
    };
    this.buttons.forEach((button, action) => {
      const value = isTool(action) ? desk.tool === action : pressed[action];
      if (value !== undefined) {
        button.setAttribute('aria-pressed', String(value));
      }
    });
    const isPrior = pane.stack?.prior != null;
    this.enable((action) => isTool(action) && isMarkTool(action), !isPrior);
    this.reveal('compare', state.canCompare);
    this.reveal('link', state.compared);
    this.enable((action) => action === 'invert', tone !== null);
    const heat = this.buttons.get('heatMap')?.parentElement;
    if (heat != null) {
      heat.hidden = !state.hasHeatMap;
    }
    this.opacity.value = String(Math.round(desk.heat.opacity * 100));
    this.offerPresets(pane.presets());
  }

  private reveal(action: Action, visible: boolean): void {
    const button = this.buttons.get(action);
    if (button !== undefined) {
      button.hidden = !visible;
    }
  }

  private enable(which: (action: Action) => boolean, enabled: boolean): void {
    this.buttons.forEach((button, action) => {
      if (which(action)) {
        button.disabled = !enabled;
      }
    });
  }

  private offerPresets(presets: Preset[]): void {
    const names = presets.map((preset, index) => `${index + 1}  ${presetName(preset, this.desk.words)}`);
    this.preset.disabled = names.length === 0;
    const now = names.join('\n');
    if (now !== this.presetsShown) {
      this.presetsShown = now;
      const heading = element('option', { value: '0', disabled: true }, this.desk.words.preset);
      this.preset.replaceChildren(heading, ...names.map((name, index) => element('option', { value: String(index + 1) }, name)));
    }
    // Always the heading: a reader who drags has left every preset.
    this.preset.value = '0';
  }
}

function presetName(preset: Preset, words: Words): string {
  switch (preset.kind) {
    case 'own':
      return `${preset.explanation === '' ? words.own : preset.explanation} (${Math.round(preset.window.width)} / ${Math.round(preset.window.center)})`;
    case 'known':
      return `${words[preset.name]} (${preset.window.width} / ${preset.window.center})`;
    default:
      return words[preset.kind];
  }
}
