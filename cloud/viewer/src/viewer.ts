/** Puts the parts together and does what buttons and keys ask for. */

import { announce } from './announcing';
import { Comparison } from './comparison';
import type { Desk } from './desk';
import { element } from './dom';
import { moved } from './drafting';
import { FigureBook } from './figures';
import type { Figure } from './figures';
import { Gestures } from './gestures';
import { helpDialog } from './help';
import { actionOf, isTool } from './keys';
import type { Action } from './keys';
import { Library } from './library';
import { Looking } from './looking';
import { MarksPanel } from './marks_panel';
import { Pane } from './pane';
import { stacks } from './stacks';
import type { Stack } from './stacks';
import type { Mark, Study } from './study';
import { Toolbar } from './toolbar';
import type { Words } from './words';

const NUDGES: Record<string, readonly [number, number]> = {
  ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0],
};

export class Viewer {
  private readonly desk: Desk;
  private readonly all: Stack[];
  private readonly toolbar: Toolbar;
  private readonly panel: MarksPanel;
  private readonly help: HTMLDialogElement;
  private readonly progress = element('p', { class: 'bfv-progress', role: 'status' });
  private readonly comparison: Comparison;
  private readonly gestures = new Map<Pane, Gestures>();
  private readonly looking: Looking;
  private readonly stop = new AbortController();

  constructor(private readonly host: HTMLElement, private readonly study: Study, words: Words) {
    this.all = stacks(study);
    const inOrder = this.all.flatMap((stack) => stack.slots.map((slot) => slot.instance));
    this.desk = {
      words,
      library: new Library([...new Set(inOrder)], () => this.arrived()),
      book: new FigureBook(study.marks, (marks) => this.tellMarks(marks)),
      findings: study.findings,
      heatMaps: study.heatMaps,
      mayMark: study.mayMark,
      tool: 'window',
      finding: study.findings[0]?.code ?? '',
      selected: null,
      heat: { allowed: !host.hasAttribute('data-ai-hidden'), shown: false, opacity: 0.5, finding: study.heatMaps[0]?.finding ?? '' },
    };
    this.looking = new Looking(study.instances.length, (detail) => {
      host.dataset.looked = `${detail.seen}/${detail.of}`;
      announce(host, 'barefoot-looked', detail);
    });
    this.toolbar = new Toolbar(this.desk, (action) => this.act(action));
    this.panel = new MarksPanel(this.desk, {
      show: (mark) => this.showMark(mark),
      remove: (id) => this.remove(id),
      finding: (id, code) => this.refile(id, code),
    });
    this.help = helpDialog(words);
    this.comparison = new Comparison(this.all, () => this.makePane(), () => this.update());
    host.replaceChildren(this.toolbar.root, this.comparison.root, this.progress, this.panel.root, this.help);
    host.classList.add('bfv-viewer');
    host.setAttribute('role', 'region');
    host.setAttribute('aria-label', words.viewer);
    this.panel.root.hidden = !study.mayMark && study.marks.length === 0;
    host.addEventListener('keydown', (event) => this.key(event), { signal: this.stop.signal });
    this.mirrorMarks(this.desk.book.marks());
    this.panel.update(this.desk.book.marks());
    if (this.all.length === 0) {
      this.comparison.root.replaceChildren(element('p', { class: 'bfv-failed', role: 'alert' }, words.noImages));
      return;
    }
    this.comparison.start();
    this.desk.library.start();
    this.update();
  }

  allowHeatMaps(allowed: boolean): void {
    this.desk.heat.allowed = allowed;
    this.update();
  }

  close(): void {
    this.stop.abort();
    this.looking.stop();
    this.desk.library.close();
  }

  private makePane(): Pane {
    const pane = new Pane(this.desk, {
      moved: (from, move) => this.comparison.follow(from, move),
      drawn: (from, shown, slot) => {
        const place = { instance: slot.instance.instance, frame: slot.frame };
        if (from.stack?.prior === null) {
          if (this.host.dataset.drawn !== 'image') {
            this.host.dataset.drawn = shown === 'image' ? 'image' : 'quick-look';
          }
          announce(this.host, 'barefoot-drawn', { kind: shown === 'image' ? 'image' : 'quick-look', ...place });
          this.looking.shown(shown === 'image' ? place.instance : null);
        }
      },
      changed: () => this.update(),
    });
    this.gestures.set(pane, new Gestures(pane, this.desk, {
      activated: () => this.comparison.activate(pane),
      selected: (id) => this.select(id),
      edited: (figure) => this.edited(figure),
    }));
    return pane;
  }

  private act(action: Action): void {
    const pane = this.comparison.active;
    if (isTool(action)) {
      pane.draft = null;
      this.desk.tool = action;
    } else if (action.startsWith('preset')) {
      const preset = pane.presets()[Number(action.slice('preset'.length)) - 1];
      if (preset !== undefined) {
        pane.usePreset(preset);
      }
    } else {
      this.command(action, pane);
    }
    this.update();
  }

  private command(action: Action, pane: Pane): void {
    const { heat } = this.desk;
    switch (action) {
      case 'fit': return pane.fit();
      case 'trueSize': return pane.trueSize();
      case 'invert': return pane.setTone((tone) => ({ ...tone, invert: !tone.invert }));
      case 'rotate': return pane.rotate();
      case 'flipHorizontal': return pane.flip('horizontally');
      case 'flipVertical': return pane.flip('vertically');
      case 'reset': return pane.reset();
      case 'compare': return this.comparison.toggle();
      case 'link': return this.comparison.toggleLink();
      case 'heatMap': heat.shown = !heat.shown; return undefined;
      case 'fainter': heat.opacity = Math.max(0.1, heat.opacity - 0.1); return undefined;
      case 'stronger': heat.opacity = Math.min(1, heat.opacity + 0.1); return undefined;
      case 'help': return this.help.showModal();
      case 'next': return pane.scrollBy(1);
      case 'previous': return pane.scrollBy(-1);
      case 'first': return pane.scrollTo(0);
      case 'last': return pane.scrollBy(Number.MAX_SAFE_INTEGER);
      case 'nextSeries': return this.comparison.nextSeries(1);
      case 'previousSeries': return this.comparison.nextSeries(-1);
      case 'closer': return pane.zoomBy(1.25);
      case 'farther': return pane.zoomBy(0.8);
      case 'remove': return this.desk.selected === null ? undefined : this.remove(this.desk.selected);
      case 'cancel': return this.cancel(pane);
      case 'place': return pane.draft === null ? this.gestures.get(pane)?.place() : this.gestures.get(pane)?.finish();
      default: return undefined;
    }
  }

  private cancel(pane: Pane): void {
    if (pane.draft === null && this.desk.selected === null) {
      this.desk.tool = 'window';
    }
    pane.draft = null;
    this.select(null);
  }

  private key(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    if (this.help.open || target.matches('select, input:not([type=range]), textarea')) {
      return;
    }
    const nudge = event.altKey ? NUDGES[event.key] : undefined;
    if (nudge !== undefined) {
      event.preventDefault();
      this.nudge(nudge[0], nudge[1]);
      return;
    }
    // What buttons and sliders do with a key is theirs.
    const isControl = target.matches('button, input');
    if (isControl && /^(Enter| |Arrow.*|Page.*|Home|End)$/.test(event.key)) {
      return;
    }
    const action = actionOf(event);
    if (action !== null) {
      event.preventDefault();
      this.act(action);
    }
  }

  private nudge(across: number, down: number): void {
    const figure = this.desk.book.find(this.desk.selected);
    const slot = this.comparison.active.slot;
    const isHere = figure?.instance === slot?.instance.instance && figure?.frame === slot?.frame;
    if (figure === undefined || slot === null || !isHere || (figure.finding !== null && !this.desk.mayMark)) {
      return;
    }
    const { columns, rows } = slot.instance;
    const step = Math.max(1, Math.round(columns / 200));
    figure.points = moved(figure.points, across * step, down * step, columns, rows);
    this.edited(figure);
    this.update();
  }

  private edited(figure: Figure): void {
    this.desk.book.tell(figure);
  }

  private select(id: string | null): void {
    this.desk.selected = id;
    this.panel.select();
    this.comparison.render();
  }

  private showMark(mark: Mark): void {
    this.comparison.goTo(mark.instance, mark.frame);
    this.select(mark.id);
  }

  private remove(id: string): void {
    const figure = this.desk.book.find(id);
    if (figure === undefined || (figure.finding !== null && !this.desk.mayMark)) {
      return;
    }
    this.desk.selected = null;
    this.desk.book.remove(id);
    this.update();
  }

  private refile(id: string, code: string): void {
    const figure = this.desk.book.find(id);
    if (figure !== undefined) {
      figure.finding = code;
      this.desk.book.tell(figure);
      this.update();
    }
  }

  private tellMarks(marks: Mark[]): void {
    this.mirrorMarks(marks);
    this.panel.update(marks);
    announce(this.host, 'barefoot-marks', { marks });
  }

  /** The page's form posts what stands in this field. */
  private mirrorMarks(marks: Mark[]): void {
    const name = this.host.dataset.marksInput;
    const input = name === undefined ? null : document.getElementById(name);
    if (input instanceof HTMLInputElement) {
      input.value = JSON.stringify(marks);
    }
  }

  private arrived(): void {
    const { here, of } = this.desk.library.count();
    this.progress.textContent = here >= of ? '' : `${here} / ${of} ${this.desk.words.loaded}`;
    this.comparison.render();
  }

  private update(): void {
    this.toolbar.update({
      pane: this.comparison.active,
      compared: this.comparison.compared,
      linked: this.comparison.linked,
      canCompare: this.all.length > 1,
      hasHeatMap: this.desk.heat.allowed && this.study.heatMaps.length > 0,
    });
    this.comparison.render();
  }
}
