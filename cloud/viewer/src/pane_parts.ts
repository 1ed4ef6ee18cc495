/** The elements of a pane: head, stage, what is written on the stage, slider. */

import type { Camera } from './camera';
import { element } from './dom';
import type { Status } from './library';
import { sides } from './orientation';
import type { Shown } from './pane';
import type { Picture } from './picture';
import { isGrey } from './picture';
import type { Slot, Stack } from './stacks';
import type { Tone } from './windowing';
import type { Words } from './words';

export interface Description {
  slot: Slot;
  index: number;
  count: number;
  shown: Shown;
  status: Status;
  picture: Picture | null;
  tone: Tone | null;
  camera: Camera | null;
}

export class PaneParts {
  readonly root: HTMLElement;
  readonly stage: HTMLElement;
  readonly canvas = element('canvas', { class: 'bfv-canvas', 'aria-hidden': 'true' });
  readonly series: HTMLSelectElement;
  width = 0;
  height = 0;
  density = 1;

  private readonly origin = element('strong', { class: 'bfv-origin' });
  private readonly preview: HTMLElement;
  private readonly model = element('p', { class: 'bfv-model', hidden: true });
  private readonly message = element('p', { class: 'bfv-message', role: 'status' });
  private readonly retry: HTMLButtonElement;
  private readonly facts = element('p', { class: 'bfv-facts' });
  private readonly place = element('p', { class: 'bfv-place' });
  private readonly sideLabels = (['top', 'right', 'bottom', 'left'] as const)
    .map((side) => element('span', { class: `bfv-side bfv-${side}`, 'aria-hidden': 'true' }));
  private readonly slider: HTMLInputElement;
  private readonly pager: HTMLElement;

  constructor(
    private readonly words: Words,
    overlay: SVGElement,
    private readonly commands: { scrollTo(index: number): void; retry(): void },
  ) {
    this.preview = element('p', { class: 'bfv-preview', hidden: true }, words.preview);
    this.retry = element('button', { type: 'button', class: 'bfv-retry', hidden: true }, words.retry);
    this.retry.addEventListener('click', () => commands.retry());
    this.series = element('select', { 'aria-label': words.series });
    this.slider = element('input', { type: 'range', min: '1', value: '1', 'aria-label': words.image });
    this.slider.addEventListener('input', () => commands.scrollTo(Number(this.slider.value) - 1));
    this.stage = element(
      'div', { class: 'bfv-stage', tabindex: '0', role: 'group' },
      this.canvas, overlay, ...this.sideLabels, this.preview, this.model, this.facts, this.place,
      element('div', { class: 'bfv-notice' }, this.message, this.retry),
    );
    this.pager = element('div', { class: 'bfv-pager' }, this.step(-1), this.slider, this.step(1));
    this.root = element(
      'section', { class: 'bfv-pane' },
      element('header', { class: 'bfv-head' }, this.origin, this.series), this.stage, this.pager,
    );
  }

  /** Which series can be chosen; the two studies apart. */
  offer(stacks: readonly Stack[]): void {
    const groups = new Map<string | null, HTMLOptGroupElement>();
    stacks.forEach((stack, index) => {
      const label = stack.prior === null ? this.words.current : `${this.words.prior}: ${stack.prior}`;
      const group = groups.get(stack.prior) ?? element('optgroup', { label });
      groups.set(stack.prior, group);
      group.append(element('option', { value: String(index) }, titleOf(stack, this.words)));
    });
    this.series.replaceChildren(...groups.values());
  }

  showStack(stack: Stack, words: Words): void {
    const origin = stack.prior === null ? words.current : `${words.prior} · ${stack.prior}`;
    this.origin.textContent = origin;
    this.root.dataset.origin = stack.prior === null ? 'current' : 'prior';
    const name = `${origin}, ${titleOf(stack, words)}`;
    this.root.setAttribute('aria-label', name);
    this.stage.setAttribute('aria-label', name);
    this.slider.max = String(stack.slots.length);
    this.pager.hidden = stack.slots.length < 2;
  }

  describe(now: Description): void {
    const { words } = this;
    this.stage.dataset.state = now.shown;
    this.preview.hidden = now.shown !== 'preview';
    this.slider.value = String(now.index + 1);
    this.slider.setAttribute('aria-valuetext', `${now.index + 1} / ${now.count}`);
    this.place.textContent = `${words.image} ${now.index + 1} / ${now.count}`;
    this.facts.textContent = factsOf(now, words);
    this.retry.hidden = now.shown !== 'broken';
    const message = now.status.state === 'broken'
      ? [words.broken, words[now.status.why.trouble], now.status.why.detail].join(' ').trim()
      : now.status.state === 'absent' ? words.absent
        : now.shown === 'image' ? '' : `${words.loading}${progressOf(now.status)}`;
    if (this.message.textContent !== message) {
      this.message.textContent = message;
    }
    const labels = sides(now.picture?.orientation ?? null, now.camera);
    this.sideLabels.forEach((label, index) => { label.textContent = labels[index] ?? ''; });
  }

  /** Whatever a model made says so. */
  sayModel(label: string | null): void {
    this.model.hidden = label === null;
    this.model.textContent = label === null ? '' : `${this.words.heatMap}: ${label}`;
  }

  resize(): void {
    this.width = this.stage.clientWidth;
    this.height = this.stage.clientHeight;
    this.density = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(this.width * this.density);
    this.canvas.height = Math.round(this.height * this.density);
  }

  private step(by: -1 | 1): HTMLButtonElement {
    const button = element(
      'button', { type: 'button', 'aria-label': by < 0 ? this.words.previousImage : this.words.nextImage },
      by < 0 ? '‹' : '›',
    );
    button.addEventListener('click', () => this.commands.scrollTo(Number(this.slider.value) - 1 + by));
    return button;
  }
}

export function titleOf(stack: Stack, words: Words): string {
  const name = [stack.modality, stack.description].filter((part) => part !== '').join(' · ') || words.series;
  return stack.slots.length > 1 ? `${name} (${stack.slots.length})` : name;
}

function progressOf(status: Status): string {
  return status.state === 'loading' && status.share > 0 ? ` ${Math.round(status.share * 100)} %` : ' …';
}

function factsOf({ picture, tone, camera }: Description, words: Words): string {
  const facts = [];
  if (picture !== null && tone !== null && isGrey(picture) && !tone.useTable) {
    facts.push(`W ${shortened(tone.window.width)}  L ${shortened(tone.window.center)}`);
  }
  if (camera !== null) {
    facts.push(`${Math.round(camera.zoom * window.devicePixelRatio * 100)} %`);
    if (camera.mirrored.horizontally !== camera.mirrored.vertically) {
      facts.push(words.flipped);
    }
  }
  if (tone?.invert === true) {
    facts.push(words.inverted);
  }
  return facts.join('  ·  ');
}

function shortened(value: number): string {
  return Math.abs(value) >= 10 ? String(Math.round(value)) : value.toFixed(2);
}
