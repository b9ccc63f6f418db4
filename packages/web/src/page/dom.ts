/**
 * Elements, made and kept up to date.
 *
 * Owns: that text stays text (names of programs are other people's), and that an element stays the same while what it shows is the same
 * thing, so that focus, scroll positions and selections survive the news. Must not know: what is shown.
 */

interface Traits {
  readonly class?: string;
  readonly text?: string;
  readonly [attribute: string]: string | undefined;
}

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  { class: className, text, ...attributes }: Traits = {},
  children: readonly Node[] = [],
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className !== undefined) element.className = className;
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** The element of index.html. */
export function byId<E extends Element = HTMLElement>(id: string): E {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element as Element as E;
}

/** Leaves the text alone when it is the same: a selection in it stays. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setWidth(element: HTMLElement, percent: number): void {
  element.style.width = `${Math.max(0, Math.min(100, percent)).toFixed(2)}%`;
}

interface List<Row, E extends Element> {
  key(row: Row): string;
  make(row: Row): E;
  update(element: E, row: Row): void;
}

const elementsOf = new WeakMap<Element, Map<string, Element>>();

/** Makes the children of `parent` those of `rows`, in their order. */
export function keepList<Row, E extends Element>(parent: Element, rows: readonly Row[], list: List<Row, E>): void {
  const before = elementsOf.get(parent) ?? new Map<string, Element>();
  const now = new Map<string, Element>();
  const focused = document.activeElement;
  for (const row of rows) {
    let key = list.key(row);
    while (now.has(key)) key += "'";
    const element = (before.get(key) as E | undefined) ?? list.make(row);
    list.update(element, row);
    now.set(key, element);
  }
  // First, so that what stays need not move to make room for what goes.
  for (const [key, element] of before) if (!now.has(key)) element.remove();
  let next = parent.firstElementChild;
  for (const element of now.values()) {
    if (element === next) next = element.nextElementSibling;
    else parent.insertBefore(element, next);
  }
  elementsOf.set(parent, now);
  // An element that has moved has lost the focus on the way.
  if (focused instanceof HTMLElement && focused !== document.activeElement && parent.contains(focused)) {
    focused.focus({ preventScroll: true });
  }
}
