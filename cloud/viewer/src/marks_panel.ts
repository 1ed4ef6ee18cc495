/** The marks as a list: to be read aloud, sorted to findings, removed. */

import type { Desk } from './desk';
import { element } from './dom';
import type { Mark } from './study';

export interface MarksListener {
  show(mark: Mark): void;
  remove(id: string): void;
  finding(id: string, code: string): void;
}

export class MarksPanel {
  readonly root: HTMLElement;
  private readonly list = element('ol', { class: 'bfv-marks' });
  private readonly empty: HTMLElement;

  constructor(private readonly desk: Desk, private readonly listener: MarksListener) {
    this.empty = element('p', { class: 'bfv-empty' }, desk.words.noMarks);
    this.root = element(
      'section', { class: 'bfv-panel', 'aria-label': desk.words.marks }, element('h3', {}, desk.words.marks), this.empty, this.list,
    );
  }

  update(marks: readonly Mark[]): void {
    this.empty.hidden = marks.length > 0;
    this.list.replaceChildren(...marks.map((mark, index) => this.row(mark, index)));
    this.select();
  }

  select(): void {
    this.list.querySelectorAll('li').forEach((row) => {
      row.classList.toggle('bfv-current', row.dataset.id === this.desk.selected);
    });
  }

  private row(mark: Mark, index: number): HTMLElement {
    const { words, findings, mayMark } = this.desk;
    const number = index + 1;
    const show = element('button', { type: 'button', 'aria-label': `${words.show} ${number}` }, words.show);
    show.addEventListener('click', () => this.listener.show(mark));
    if (!mayMark) {
      const label = findings.find((finding) => finding.code === mark.finding)?.label ?? mark.finding;
      return element('li', { 'data-id': mark.id }, element('span', {}, label), show);
    }
    const known = findings.some((finding) => finding.code === mark.finding);
    const choices = known ? findings : [...findings, { code: mark.finding, label: mark.finding }];
    const finding = element('select', { 'aria-label': `${words.finding} ${number}` });
    finding.append(...choices.map(({ code, label }) => element('option', { value: code }, label)));
    finding.value = mark.finding;
    finding.addEventListener('change', () => this.listener.finding(mark.id, finding.value));
    const remove = element('button', { type: 'button', 'aria-label': `${words.remove} ${number}` }, words.remove);
    remove.addEventListener('click', () => this.listener.remove(mark.id));
    return element('li', { 'data-id': mark.id }, finding, show, remove);
  }
}
