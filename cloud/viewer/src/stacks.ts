/** What can be paged through in a pane: the frames of one series, of this study or of the prior. */

import type { Images, Instance, QuickLook, Study } from './study';

export interface Slot {
  instance: Instance;
  frame: number;
  quickLook: QuickLook | null;
}

export interface Stack {
  uid: string;
  /** The label of the prior; `null` in the study that is read. */
  prior: string | null;
  description: string;
  modality: string;
  slots: Slot[];
}

export function stacks(study: Study): Stack[] {
  return [...ofImages(study, null), ...(study.prior === null ? [] : ofImages(study.prior, study.prior.label))];
}

/** An image that is not there yet still has its place: only its small picture came. */
function ofImages(images: Images, prior: string | null): Stack[] {
  const byUid = new Map(images.instances.map((instance) => [instance.instance, instance]));
  const quickLooks = new Map(images.quickLook.map((quickLook) => [quickLook.instance, quickLook]));
  return images.series.map((series) => {
    const instances = series.instances.flatMap((uid) => byUid.get(uid) ?? []);
    return {
      uid: series.uid,
      prior,
      description: series.description,
      modality: instances[0]?.modality ?? '',
      slots: instances.flatMap((instance) =>
        Array.from({ length: instance.frames }, (_, index): Slot => ({
          instance,
          frame: index + 1,
          // A small picture shows the first frame.
          quickLook: index === 0 ? (quickLooks.get(instance.instance) ?? null) : null,
        }))),
    };
  });
}

const PROJECTIONS = ['CR', 'DX', 'MG', 'RF', 'XA', 'RG', 'PX', 'IO'];

/** Pictures with one view key share zoom and window: slices do, single X-rays do not. */
export function viewKey(stack: Stack, slot: Slot): string {
  const own = PROJECTIONS.includes(slot.instance.modality) ? slot.instance.instance : stack.uid;
  return `${own} ${slot.instance.columns}×${slot.instance.rows}`;
}
