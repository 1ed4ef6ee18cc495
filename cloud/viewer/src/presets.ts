/** Windows that readers know by name, for each modality. */

export interface Window {
  center: number;
  width: number;
}

export type Preset =
  | { kind: 'own'; window: Window; explanation: string }
  | { kind: 'known'; window: Window; name: 'lung' | 'mediastinum' | 'bone' | 'brain' | 'abdomen' | 'stroke' }
  | { kind: 'initial' | 'full' | 'inverted' };

const CT: Preset[] = [
  { kind: 'known', name: 'lung', window: { center: -600, width: 1500 } },
  { kind: 'known', name: 'mediastinum', window: { center: 40, width: 400 } },
  { kind: 'known', name: 'bone', window: { center: 400, width: 1800 } },
  { kind: 'known', name: 'brain', window: { center: 40, width: 80 } },
  { kind: 'known', name: 'stroke', window: { center: 35, width: 35 } },
  { kind: 'known', name: 'abdomen', window: { center: 60, width: 400 } },
];

/** The image's own windows first, then what its modality is read with. */
export function presets(modality: string, own: { window: Window; explanation: string }[]): Preset[] {
  const given: Preset[] = own.map((one) => ({ kind: 'own', ...one }));
  const first: Preset[] = given.length === 0 ? [{ kind: 'initial' }] : given;
  if (modality === 'CT') {
    return [...first, ...CT];
  }
  return [...first, { kind: 'full' }, { kind: 'inverted' }];
}
