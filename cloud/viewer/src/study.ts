/** What the page says is to be shown, and the check that it says so correctly. The schema is explained in README.md. */

export type Point = readonly [column: number, row: number];
export type MarkShape = 'rectangle' | 'ellipse' | 'polygon';

export interface QuickLook {
  url: string;
  instance: string;
  rows: number;
  columns: number;
}

export interface Instance {
  /** `null`: it has not arrived at the hub yet. */
  url: string | null;
  instance: string;
  series: string;
  frames: number;
  rows: number;
  columns: number;
  modality: string;
  /** Between rows, between columns, in millimetres; counts where the file itself names none. */
  pixelSpacing: readonly [number, number] | null;
}

export interface Series {
  uid: string;
  description: string;
  instances: string[];
}

export interface Images {
  quickLook: QuickLook[];
  instances: Instance[];
  series: Series[];
}

export interface HeatMap {
  instance: string;
  frame: number;
  url: string;
  finding: string;
  label: string;
}

export interface Mark {
  id: string;
  instance: string;
  frame: number;
  shape: MarkShape;
  points: Point[];
  finding: string;
}

export interface Finding {
  code: string;
  label: string;
}

export interface Study extends Images {
  prior: (Images & { label: string }) | null;
  heatMaps: HeatMap[];
  marks: Mark[];
  findings: Finding[];
  mayMark: boolean;
}

/** Names the place in the description and what is wrong there. */
export class InvalidStudy extends Error {}

/** As many as a large study has; a list beyond is a mistake. */
const MOST = 10_000;
const MOST_POINTS = 500;
const LARGEST_SIDE = 65_535;

export function readStudy(value: unknown, base: URL): Study {
  const all = object(value, 'study', [
    'quickLook', 'instances', 'series', 'prior', 'heatMaps', 'marks', 'findings', 'mayMark',
  ]);
  const images = readImages(all, 'study', base);
  let prior: Study['prior'] = null;
  if (all.prior !== null) {
    const given = object(all.prior, 'prior', ['label', 'quickLook', 'instances', 'series']);
    prior = { label: text(given.label, 'prior.label'), ...readImages(given, 'prior', base) };
  }
  const findings = list(all.findings, 'findings').map((entry, index) => {
    const at = `findings[${index}]`;
    const given = object(entry, at, ['code', 'label']);
    return { code: name(given.code, `${at}.code`), label: text(given.label, `${at}.label`) };
  });
  unique(findings.map((finding) => finding.code), 'findings');
  const heatMaps = list(all.heatMaps, 'heatMaps').map((entry, index) => {
    const at = `heatMaps[${index}]`;
    const given = object(entry, at, ['instance', 'frame', 'url', 'finding', 'label']);
    const place = readPlace(given, at, images.instances);
    const url = address(given.url, `${at}.url`, base);
    return { ...place, url, finding: name(given.finding, `${at}.finding`), label: text(given.label, `${at}.label`) };
  });
  const marks = list(all.marks, 'marks').map((entry, index) => readMark(entry, `marks[${index}]`, images.instances));
  unique(marks.map((mark) => mark.id), 'marks');
  if (typeof all.mayMark !== 'boolean') {
    throw new InvalidStudy('mayMark is neither true nor false');
  }
  return { ...images, prior, heatMaps, marks, findings, mayMark: all.mayMark };
}

function readImages(given: Record<string, unknown>, at: string, base: URL): Images {
  const instances = list(given.instances, `${at}.instances`).map((entry, index) =>
    readInstance(entry, `${at}.instances[${index}]`, base));
  unique(instances.map((instance) => instance.instance), `${at}.instances`);
  const quickLook = list(given.quickLook, `${at}.quickLook`).map((entry, index) => {
    const here = `${at}.quickLook[${index}]`;
    const picture = object(entry, here, ['url', 'instance', 'rows', 'columns']);
    return {
      url: address(picture.url, `${here}.url`, base),
      instance: uid(picture.instance, `${here}.instance`),
      rows: whole(picture.rows, `${here}.rows`, LARGEST_SIDE),
      columns: whole(picture.columns, `${here}.columns`, LARGEST_SIDE),
    };
  });
  const known = new Map(instances.map((instance) => [instance.instance, instance.series]));
  const series = list(given.series, `${at}.series`).map((entry, index) => {
    const here = `${at}.series[${index}]`;
    const one = object(entry, here, ['uid', 'description', 'instances']);
    const own = uid(one.uid, `${here}.uid`);
    const members = list(one.instances, `${here}.instances`).map((member, place) => {
      const instance = uid(member, `${here}.instances[${place}]`);
      if (known.get(instance) !== own) {
        throw new InvalidStudy(`${here}.instances[${place}] is no instance of this series`);
      }
      return instance;
    });
    if (members.length === 0) {
      throw new InvalidStudy(`${here} has no instance`);
    }
    return { uid: own, description: text(one.description, `${here}.description`), instances: members };
  });
  unique(series.map((one) => one.uid), `${at}.series`);
  const members = series.flatMap((one) => one.instances);
  unique(members, `${at}.series[].instances`);
  if (members.length !== instances.length) {
    throw new InvalidStudy(`an instance of ${at} is in no series`);
  }
  return { quickLook, instances, series };
}

function readInstance(entry: unknown, at: string, base: URL): Instance {
  const given = object(
    entry, at, ['url', 'instance', 'series', 'frames', 'rows', 'columns', 'modality'], ['pixelSpacing'],
  );
  let pixelSpacing: Instance['pixelSpacing'] = null;
  if (given.pixelSpacing !== undefined && given.pixelSpacing !== null) {
    const both = list(given.pixelSpacing, `${at}.pixelSpacing`).map((one) => number(one, `${at}.pixelSpacing`));
    const [rows, columns] = both;
    if (both.length !== 2 || rows === undefined || columns === undefined || rows <= 0 || columns <= 0) {
      throw new InvalidStudy(`${at}.pixelSpacing is not two numbers above zero`);
    }
    pixelSpacing = [rows, columns];
  }
  return {
    url: given.url === null ? null : address(given.url, `${at}.url`, base),
    instance: uid(given.instance, `${at}.instance`),
    series: uid(given.series, `${at}.series`),
    frames: whole(given.frames, `${at}.frames`, MOST),
    rows: whole(given.rows, `${at}.rows`, LARGEST_SIDE),
    columns: whole(given.columns, `${at}.columns`, LARGEST_SIDE),
    modality: text(given.modality, `${at}.modality`),
    pixelSpacing,
  };
}

function readMark(entry: unknown, at: string, instances: Instance[]): Mark {
  const given = object(entry, at, ['id', 'instance', 'frame', 'shape', 'points', 'finding']);
  const shape = given.shape;
  if (shape !== 'rectangle' && shape !== 'ellipse' && shape !== 'polygon') {
    throw new InvalidStudy(`${at}.shape is not rectangle, ellipse or polygon`);
  }
  const points = list(given.points, `${at}.points`).map((pair, index): Point => {
    const both = list(pair, `${at}.points[${index}]`).map((one) => number(one, `${at}.points[${index}]`));
    const [column, row] = both;
    if (both.length !== 2 || column === undefined || row === undefined) {
      throw new InvalidStudy(`${at}.points[${index}] is not [column, row]`);
    }
    return [column, row];
  });
  if (shape === 'polygon' ? points.length < 3 || points.length > MOST_POINTS : points.length !== 2) {
    throw new InvalidStudy(`${at}.points does not have as many points as a ${shape}`);
  }
  return {
    id: name(given.id, `${at}.id`),
    ...readPlace(given, at, instances),
    shape,
    points,
    finding: name(given.finding, `${at}.finding`),
  };
}

/** Which frame of which image of the study that is read, never of the prior. */
function readPlace(given: Record<string, unknown>, at: string, instances: Instance[]): { instance: string; frame: number } {
  const instance = uid(given.instance, `${at}.instance`);
  const image = instances.find((one) => one.instance === instance);
  if (image === undefined) {
    throw new InvalidStudy(`${at}.instance is none of the study's`);
  }
  return { instance, frame: whole(given.frame, `${at}.frame`, image.frames) };
}

function object(
  value: unknown, at: string, required: readonly string[], optional: readonly string[] = [],
): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidStudy(`${at} is no object`);
  }
  const given = value as Record<string, unknown>;
  const lacking = required.find((key) => !(key in given));
  if (lacking !== undefined) {
    throw new InvalidStudy(`${at} has no ${lacking}`);
  }
  const unknown = Object.keys(given).find((key) => !required.includes(key) && !optional.includes(key));
  if (unknown !== undefined) {
    throw new InvalidStudy(`${at} has the unknown key ${unknown}`);
  }
  return given;
}

function list(value: unknown, at: string): unknown[] {
  if (!Array.isArray(value) || value.length > MOST) {
    throw new InvalidStudy(`${at} is no list of at most ${MOST}`);
  }
  return value;
}

function text(value: unknown, at: string): string {
  if (typeof value !== 'string' || value.length > 1024) {
    throw new InvalidStudy(`${at} is no text of at most 1024 characters`);
  }
  return value;
}

function name(value: unknown, at: string): string {
  const given = text(value, at);
  if (given === '') {
    throw new InvalidStudy(`${at} is empty`);
  }
  return given;
}

function uid(value: unknown, at: string): string {
  if (typeof value !== 'string' || !/^[0-9.]{1,64}$/.test(value)) {
    throw new InvalidStudy(`${at} is no UID`);
  }
  return value;
}

function number(value: unknown, at: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new InvalidStudy(`${at} is no number`);
  }
  return value;
}

function whole(value: unknown, at: string, most: number): number {
  const given = number(value, at);
  if (!Number.isInteger(given) || given < 1 || given > most) {
    throw new InvalidStudy(`${at} is not a whole number from 1 to ${most}`);
  }
  return given;
}

/** Only from the page's own server. */
function address(value: unknown, at: string, base: URL): string {
  const given = text(value, at);
  const url = URL.canParse(given, base.href) ? new URL(given, base) : null;
  if (url === null || url.origin !== base.origin) {
    throw new InvalidStudy(`${at} is no address of this server`);
  }
  return url.href;
}

function unique(names: string[], at: string): void {
  if (new Set(names).size !== names.length) {
    throw new InvalidStudy(`${at} names something twice`);
  }
}
