/** Draws one picture into a canvas: only what is visible, at the resolution of the screen. */

import { apply, inverse } from './camera';
import type { Matrix } from './camera';
import type { Picture } from './picture';
import { isGrey } from './picture';
import { toneCurve } from './windowing';
import type { Tone } from './windowing';

/** The picture at a half, a quarter, … of its size: each value the mean of four, so nothing small flickers or is lost. */
interface Level {
  columns: number;
  rows: number;
  pixels: ArrayLike<number>;
}

interface Region {
  level: number;
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** What is painted is a little larger than what is seen, so that a small move paints nothing anew. */
const STEP = 128;
/** From here on single pixels are shown as squares, not blended. */
const SQUARES_FROM = 8;

export class Display {
  private readonly context: CanvasRenderingContext2D;
  private readonly scratch = document.createElement('canvas');
  private picture: Picture | null = null;
  private levels: Level[] = [];
  private tone: Tone | null = null;
  private curve: (value: number) => number = () => 0;
  private painted: Region | null = null;

  constructor(readonly canvas: HTMLCanvasElement) {
    const context = canvas.getContext('2d', { alpha: false });
    if (context === null) {
      throw new Error('this browser draws no canvas');
    }
    this.context = context;
  }

  clear(): void {
    this.context.resetTransform();
    this.context.fillStyle = '#000';
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  /** A plain picture in the place of the image it stands for. */
  drawPreview(preview: CanvasImageSource, columns: number, rows: number, matrix: Matrix, density: number): void {
    this.clear();
    this.place(matrix, density);
    this.context.drawImage(preview, 0, 0, columns, rows);
  }

  draw(picture: Picture, tone: Tone, matrix: Matrix, density: number): void {
    if (picture !== this.picture) {
      this.picture = picture;
      this.levels = [{ columns: picture.columns, rows: picture.rows, pixels: picture.pixels }];
      this.tone = null;
    }
    if (tone !== this.tone) {
      this.tone = tone;
      this.curve = toneCurve(picture, tone);
      this.painted = null;
    }
    const scale = Math.hypot(matrix[0], matrix[1]) * density;
    const seen = this.visible(picture, matrix, density, scale);
    this.clear();
    if (seen === null) {
      return;
    }
    if (this.painted === null || !covers(this.painted, seen)) {
      this.paint(picture, seen);
      this.painted = seen;
    }
    const { level, left, top } = this.painted;
    const size = 2 ** level;
    this.place(matrix, density);
    // The last row and column of a level may stand for pixels that are not there.
    this.context.save();
    this.context.beginPath();
    this.context.rect(0, 0, picture.columns, picture.rows);
    this.context.clip();
    this.context.imageSmoothingEnabled = scale < SQUARES_FROM;
    this.context.imageSmoothingQuality = 'high';
    this.context.drawImage(
      this.scratch, left * size, top * size, this.scratch.width * size, this.scratch.height * size,
    );
    this.context.restore();
  }

  private place(m: Matrix, density: number): void {
    this.context.setTransform(
      m[0] * density, m[1] * density, m[2] * density, m[3] * density, m[4] * density, m[5] * density,
    );
    this.context.imageSmoothingEnabled = true;
    this.context.imageSmoothingQuality = 'high';
  }

  /** Which part of which level the canvas shows; `null` when the picture lies outside of it. */
  private visible(picture: Picture, matrix: Matrix, density: number, scale: number): Region | null {
    const back = inverse(matrix);
    const [width, height] = [this.canvas.width / density, this.canvas.height / density];
    const seen = ([[0, 0], [width, 0], [0, height], [width, height]] as const).map((corner) => apply(back, corner));
    const largest = Math.floor(Math.log2(Math.max(picture.columns, picture.rows)));
    const level = isGrey(picture) ? Math.min(largest, Math.max(0, Math.floor(Math.log2(1 / scale)))) : 0;
    const { columns, rows } = this.level(level);
    const size = 2 ** level;
    const region = {
      level,
      left: outward(Math.min(...seen.map((point) => point[0])) / size, -1, columns),
      top: outward(Math.min(...seen.map((point) => point[1])) / size, -1, rows),
      right: outward(Math.max(...seen.map((point) => point[0])) / size, 1, columns),
      bottom: outward(Math.max(...seen.map((point) => point[1])) / size, 1, rows),
    };
    return region.left < region.right && region.top < region.bottom ? region : null;
  }

  private level(wanted: number): Level {
    let last = this.levels[this.levels.length - 1] as Level;
    while (this.levels.length <= wanted) {
      last = halved(last);
      this.levels.push(last);
    }
    return this.levels[wanted] as Level;
  }

  private paint(picture: Picture, region: Region): void {
    const { columns, pixels } = this.level(region.level);
    const width = region.right - region.left;
    const height = region.bottom - region.top;
    this.scratch.width = width;
    this.scratch.height = height;
    const context = this.scratch.getContext('2d') as CanvasRenderingContext2D;
    const image = context.createImageData(width, height);
    const { data } = image;
    const grey = isGrey(picture);
    let to = 0;
    for (let row = region.top; row < region.bottom; row += 1) {
      let from = row * columns + region.left;
      for (let column = 0; column < width; column += 1, from += 1, to += 4) {
        if (grey) {
          const shade = this.curve(pixels[from] as number);
          data[to] = shade;
          data[to + 1] = shade;
          data[to + 2] = shade;
        } else {
          data[to] = this.curve(pixels[from * 3] as number);
          data[to + 1] = this.curve(pixels[from * 3 + 1] as number);
          data[to + 2] = this.curve(pixels[from * 3 + 2] as number);
        }
        data[to + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
  }
}

function outward(place: number, direction: -1 | 1, most: number): number {
  const stepped = (direction < 0 ? Math.floor((place - 1) / STEP) : Math.ceil((place + 1) / STEP)) * STEP;
  return Math.min(most, Math.max(0, stepped));
}

function covers(have: Region, wanted: Region): boolean {
  return have.level === wanted.level && have.left <= wanted.left && have.top <= wanted.top
    && have.right >= wanted.right && have.bottom >= wanted.bottom;
}

function halved(level: Level): Level {
  const columns = Math.ceil(level.columns / 2);
  const rows = Math.ceil(level.rows / 2);
  const pixels = new Float32Array(columns * rows);
  for (let row = 0; row < rows; row += 1) {
    const upper = 2 * row * level.columns;
    const lower = Math.min(2 * row + 1, level.rows - 1) * level.columns;
    for (let column = 0; column < columns; column += 1) {
      const left = 2 * column;
      const right = Math.min(left + 1, level.columns - 1);
      pixels[row * columns + column] = ((level.pixels[upper + left] as number) + (level.pixels[upper + right] as number)
        + (level.pixels[lower + left] as number) + (level.pixels[lower + right] as number)) / 4;
    }
  }
  return { columns, rows, pixels };
}
