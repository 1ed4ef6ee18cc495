/** The page's side: <barefoot-viewer data-study="…" data-language="zh">. README.md tells everything that it takes and says. */

import { element } from './dom';
import { InvalidStudy, readStudy } from './study';
import './style.css';
import { Viewer } from './viewer';
import { language, words } from './words';

class BarefootViewer extends HTMLElement {
  static readonly observedAttributes = ['data-ai-hidden'];
  private viewer: Viewer | null = null;
  private loading: AbortController | null = null;

  connectedCallback(): void {
    this.loading = new AbortController();
    void this.load(this.loading.signal);
  }

  disconnectedCallback(): void {
    this.loading?.abort();
    this.viewer?.close();
    this.viewer = null;
  }

  /** The page alone decides when the reader may see what the model said. */
  attributeChangedCallback(): void {
    this.viewer?.allowHeatMaps(!this.hasAttribute('data-ai-hidden'));
  }

  private async load(stop: AbortSignal): Promise<void> {
    const own = words(language(this.dataset.language ?? null));
    this.replaceChildren(element('p', { class: 'bfv-waiting', role: 'status' }, `${own.loading} …`));
    try {
      const base = new URL(this.dataset.study ?? '', document.baseURI);
      const response = await fetch(base, { signal: stop, credentials: 'same-origin', redirect: 'error' });
      if (!response.ok) {
        throw new InvalidStudy(`${own.brokenStatus} ${response.status}`);
      }
      const study = readStudy(await response.json(), base);
      if (!stop.aborted) {
        this.viewer = new Viewer(this, study, own);
      }
    } catch (error) {
      if (!stop.aborted) {
        this.failed(own.studyBroken, error, own.retry);
      }
    }
  }

  private failed(message: string, error: unknown, retry: string): void {
    const reason = error instanceof InvalidStudy || error instanceof SyntaxError ? ` ${error.message}` : '';
    const button = element('button', { type: 'button' }, retry);
    button.addEventListener('click', () => {
      if (this.loading !== null) {
        void this.load(this.loading.signal);
      }
    });
    this.replaceChildren(element('div', { class: 'bfv-failed', role: 'alert' }, element('p', {}, message + reason), button));
    this.dispatchEvent(new CustomEvent('barefoot-failed', { bubbles: true }));
  }
}

customElements.define('barefoot-viewer', BarefootViewer);
