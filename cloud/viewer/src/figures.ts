/** What is drawn on images: measurements, which stay here, and marks, which go into the report. */

import type { Mark, MarkShape, Point } from './study';

export type FigureKind = 'length' | 'angle' | MarkShape;

export interface Figure {
  id: string;
  instance: string;
  frame: number;
  kind: FigureKind;
  points: Point[];
  /** The finding's code; `null` on a measurement. */
  finding: string | null;
}

export function isMark(figure: Figure): figure is Figure & { kind: MarkShape; finding: string } {
  return figure.finding !== null;
}

/** How many points a figure has when it is whole; an outline ends when its reader says so. */
export function wanted(kind: FigureKind): number {
  return kind === 'angle' ? 3 : kind === 'polygon' ? Infinity : 2;
}

/** Every figure of every image; tells `changed` whenever the marks among them are others. */
export class FigureBook {
  private figures: Figure[];
  private counter = 0;

  constructor(marks: readonly Mark[], private readonly changed: (marks: Mark[]) => void) {
    this.figures = marks.map(({ shape, ...rest }) => ({ ...rest, points: [...rest.points], kind: shape }));
  }

  on(instance: string, frame: number): Figure[] {
    return this.figures.filter((figure) => figure.instance === instance && figure.frame === frame);
  }

  find(id: string | null): Figure | undefined {
    return this.figures.find((figure) => figure.id === id);
  }

  marks(): Mark[] {
    return this.figures.filter(isMark).map((figure) => ({
      id: figure.id,
      instance: figure.instance,
      frame: figure.frame,
      shape: figure.kind,
      points: ordered(figure.kind, figure.points),
      finding: figure.finding,
    }));
  }

  /** An id that no mark of the page has. */
  newId(): string {
    do {
      this.counter += 1;
    } while (this.find(`new-${this.counter}`) !== undefined);
    return `new-${this.counter}`;
  }

  add(figure: Figure): void {
    this.figures.push(figure);
    this.tell(figure);
  }

  /** After its points or its finding became others. */
  tell(figure: Figure): void {
    if (isMark(figure)) {
      this.changed(this.marks());
    }
  }

  remove(id: string): void {
    const figure = this.find(id);
    if (figure !== undefined) {
      this.figures = this.figures.filter((one) => one !== figure);
      this.tell(figure);
    }
  }

  /** The measurements of one image; marks are removed one by one only. */
  removeMeasurements(instance: string, frame: number): void {
    this.figures = this.figures.filter(
      (figure) => isMark(figure) || figure.instance !== instance || figure.frame !== frame,
    );
  }
}

/** Upper left and lower right corner, whichever way it was drawn; hundredths of a pixel are enough. */
function ordered(shape: MarkShape, points: readonly Point[]): Point[] {
  const rounded = points.map(([column, row]): Point => [hundredth(column), hundredth(row)]);
  if (shape === 'polygon') {
    return rounded;
  }
  const columns = rounded.map((point) => point[0]);
  const rows = rounded.map((point) => point[1]);
  return [[Math.min(...columns), Math.min(...rows)], [Math.max(...columns), Math.max(...rows)]];
}

function hundredth(value: number): number {
  return Math.round(value * 100) / 100;
}
