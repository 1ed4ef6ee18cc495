/** What a DICOM header says of its pixels and of how they are to be shown. Enhanced objects say it frame by frame. */

import type { DataSet } from 'dicom-parser';

import type { OwnWindow, Picture, Spacing, Table } from '../picture';

export interface Header {
  syntax: string;
  modality: string;
  rows: number;
  columns: number;
  frames: number;
  samples: number;
  photometric: string;
  planar: boolean;
  bitsAllocated: number;
  bitsStored: number;
  signed: boolean;
  slope: number;
  intercept: number;
  modalityTable: Table | null;
  padding: number | null;
  palette: readonly [Table, Table, Table] | null;
  shown: Pick<Picture, 'windows' | 'curve' | 'table' | 'spacing' | 'aspect' | 'unit' | 'orientation'>;
}

/** Macros of enhanced objects, by the sequence that holds them. */
const PIXEL_MEASURES = 'x00289110';
const PIXEL_VALUES = 'x00289145';
const FRAME_VOI = 'x00289132';
const PLANE_ORIENTATION = 'x00209116';

/** X-rays: without a calibration, distances are those of the shadow. */
const PROJECTIONS = ['CR', 'DX', 'MG', 'RF', 'XA', 'RG', 'PX', 'IO'];

/** @throws when what a picture needs is missing. */
export function readHeader(file: DataSet, frame: number): Header {
  const samples = file.uint16('x00280002') ?? 1;
  const needed = (tag: string, what: string): number => {
    const value = file.uint16(tag);
    if (value === undefined || value === 0) {
      throw new Error(`no ${what}`);
    }
    return value;
  };
  const bitsAllocated = needed('x00280100', 'Bits Allocated');
  const modality = file.string('x00080060') ?? '';
  const values = macro(file, frame, PIXEL_VALUES);
  const signed = file.uint16('x00280103') === 1;
  const slope = values.floatString('x00281053');
  const photometric = file.string('x00280004') ?? (samples === 1 ? 'MONOCHROME2' : 'RGB');
  const ownUnit = values.string('x00281054');
  const spacing = readSpacing(file, frame, modality);
  return {
    syntax: file.string('x00020010') ?? '1.2.840.10008.1.2',
    modality,
    rows: needed('x00280010', 'Rows'),
    columns: needed('x00280011', 'Columns'),
    frames: file.intString('x00280008') ?? 1,
    samples,
    photometric,
    planar: file.uint16('x00280006') === 1,
    bitsAllocated,
    bitsStored: file.uint16('x00280101') ?? bitsAllocated,
    signed,
    slope: slope === undefined || slope === 0 ? 1 : slope,
    intercept: values.floatString('x00281052') ?? 0,
    modalityTable: readTable(file.elements.x00283000?.items?.[0]?.dataSet, signed),
    padding: (signed ? file.int16('x00280120') : file.uint16('x00280120')) ?? null,
    palette: photometric === 'PALETTE COLOR' ? readPalette(file) : null,
    shown: {
      ...readVoi(macro(file, frame, FRAME_VOI), signed),
      spacing,
      aspect: spacing === null ? readAspect(file) : spacing.scale[0] / spacing.scale[1],
      unit: modality === 'CT' && (ownUnit === undefined || ownUnit === 'HU') ? 'HU' : ownUnit === 'US' ? '' : (ownUnit ?? ''),
      orientation: readOrientation(file, frame),
    },
  };
}

/** The item that speaks for this frame: its own, the one all share, or the object itself. */
function macro(file: DataSet, frame: number, sequence: string): DataSet {
  const own = file.elements.x52009230?.items?.[frame]?.dataSet?.elements[sequence]?.items?.[0]?.dataSet;
  const shared = file.elements.x52009229?.items?.[0]?.dataSet?.elements[sequence]?.items?.[0]?.dataSet;
  return own ?? shared ?? file;
}

function numbers(set: DataSet, tag: string): number[] {
  const text = set.string(tag) ?? '';
  return text.split('\\').map((part) => Number.parseFloat(part)).filter(Number.isFinite);
}

function readVoi(set: DataSet, signed: boolean): Pick<Picture, 'windows' | 'curve' | 'table'> {
  const centers = numbers(set, 'x00281050');
  const widths = numbers(set, 'x00281051');
  const explanations = (set.string('x00281055') ?? '').split('\\');
  const windows = centers.flatMap((center, index): OwnWindow[] => {
    const width = widths[index];
    return width === undefined || width <= 0
      ? []
      : [{ window: { center, width }, explanation: explanations[index]?.trim() ?? '' }];
  });
  const curve = set.string('x00281056');
  return {
    windows,
    curve: curve === 'SIGMOID' || curve === 'LINEAR_EXACT' ? curve : 'LINEAR',
    table: readTable(set.elements.x00283010?.items?.[0]?.dataSet, signed),
  };
}

function readTable(set: DataSet | undefined, signed: boolean): Table | null {
  const data = set?.elements.x00283006;
  if (set === undefined || data === undefined) {
    return null;
  }
  const count = set.uint16('x00283002', 0) || 65_536;
  const first = (signed ? set.int16('x00283002', 1) : set.uint16('x00283002', 1)) ?? 0;
  const bits = set.uint16('x00283002', 2) ?? 16;
  const wide = data.length >= count * 2;
  const values = Array.from({ length: count }, (_, index) =>
    (wide ? set.uint16('x00283006', index) : set.byteArray[data.dataOffset + index]) ?? 0);
  return { first, values, bits };
}

function readPalette(file: DataSet): Header['palette'] {
  const colour = (descriptor: string, tag: string): Table => {
    const data = file.elements[tag];
    if (data === undefined) {
      throw new Error('no palette');
    }
    const count = file.uint16(descriptor, 0) || 65_536;
    const wide = data.length >= count * 2;
    const values = Array.from({ length: count }, (_, index) =>
      (wide ? file.uint16(tag, index) : file.byteArray[data.dataOffset + index]) ?? 0);
    // Some writers say 16 bits and mean 8.
    const bits = wide && values.some((value) => value > 255) ? 16 : 8;
    return { first: file.uint16(descriptor, 1) ?? 0, values, bits };
  };
  return [colour('x00281101', 'x00281201'), colour('x00281102', 'x00281202'), colour('x00281103', 'x00281203')];
}

function pair(set: DataSet, tag: string): readonly [number, number] | null {
  const [rows, columns] = numbers(set, tag);
  return rows !== undefined && columns !== undefined && rows > 0 && columns > 0 ? [rows, columns] : null;
}

function readSpacing(file: DataSet, frame: number, modality: string): Spacing | null {
  const spacing = pair(macro(file, frame, PIXEL_MEASURES), 'x00280030');
  const calibrated = ['GEOMETRY', 'FIDUCIAL'].includes(file.string('x00280a02') ?? '');
  if (spacing !== null && (calibrated || !PROJECTIONS.includes(modality))) {
    return { scale: spacing, plane: 'object' };
  }
  const shadow = spacing ?? pair(file, 'x00181164') ?? pair(file, 'x00182010');
  if (shadow !== null) {
    return { scale: shadow, plane: 'detector' };
  }
  return ultrasound(file);
}

/** Only where one region says it for the whole picture. */
function ultrasound(file: DataSet): Spacing | null {
  const regions = file.elements.x00186011?.items ?? [];
  const region = regions[0]?.dataSet;
  const CENTIMETRES = 3;
  if (regions.length !== 1 || region?.uint16('x00186024') !== CENTIMETRES || region.uint16('x00186026') !== CENTIMETRES) {
    return null;
  }
  const across = Math.abs(region.double('x0018602c') ?? 0) * 10;
  const down = Math.abs(region.double('x0018602e') ?? 0) * 10;
  return across > 0 && down > 0 ? { scale: [down, across], plane: 'object' } : null;
}

function readAspect(file: DataSet): number {
  const ratio = pair(file, 'x00280034');
  return ratio === null ? 1 : ratio[0] / ratio[1];
}

function readOrientation(file: DataSet, frame: number): Picture['orientation'] {
  const cosines = numbers(macro(file, frame, PLANE_ORIENTATION), 'x00200037');
  if (cosines.length === 6) {
    return [letters(cosines.slice(0, 3)), letters(cosines.slice(3, 6))];
  }
  const [along, down] = (file.string('x00200020') ?? '').split('\\');
  return along && down && /^[A-Z]{1,3}$/.test(along) && /^[A-Z]{1,3}$/.test(down) ? [along, down] : null;
}

/** Where a direction points to in the patient, the main part first. */
function letters(direction: readonly number[]): string {
  const names = [['R', 'L'], ['A', 'P'], ['F', 'H']] as const;
  return direction
    .map((part, axis) => ({ size: Math.abs(part), letter: names[axis as 0 | 1 | 2][part > 0 ? 1 : 0] }))
    .filter((part) => part.size > 0.25)
    .sort((one, other) => other.size - one.size)
    .slice(0, 2)
    .map((part) => part.letter)
    .join('');
}
