/** Every key, in a dialog. */

import { element } from './dom';
import { ENTRIES, FURTHER_HELP, keyName } from './keys';
import type { Words } from './words';

export function helpDialog(words: Words): HTMLDialogElement {
  const rows = [
    ...ENTRIES.map(({ key, word }) => ({ keys: keyName(key), word })),
    ...FURTHER_HELP,
  ].map(({ keys, word }) => element(
    'div', {}, element('dt', {}, element('kbd', {}, keys)), element('dd', {}, words[word]),
  ));
  const close = element('button', { type: 'button', class: 'bfv-close' }, words.close);
  const dialog = element(
    'dialog', { class: 'bfv-help', 'aria-label': words.help }, element('h3', {}, words.help), element('dl', {}, ...rows), close,
  );
  close.addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) {
      dialog.close();
    }
  });
  return dialog;
}
