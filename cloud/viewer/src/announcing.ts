/** Tells the page; what it hears is in README.md. */
export function announce(host: HTMLElement, name: string, detail: object): void {
  host.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
}
