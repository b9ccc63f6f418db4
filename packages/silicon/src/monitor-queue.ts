/** A first-in first-out of monitor numbers without allocation. Each monitor is in it once at most, so it cannot overflow. */
export class MonitorQueue {
  readonly #ring: Int16Array;
  #head = 0;
  #size = 0;

  constructor(capacity: number) {
    this.#ring = new Int16Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  push(monitor: number): void {
    this.#ring[(this.#head + this.#size) % this.#ring.length] = monitor;
    this.#size++;
  }

  /** Precondition for peek and shift: size > 0. */
  peek(): number {
    return this.#ring[this.#head] as number;
  }

  shift(): number {
    const monitor = this.peek();
    this.#head = (this.#head + 1) % this.#ring.length;
    this.#size--;
    return monitor;
  }

  clear(): void {
    this.#size = 0;
  }

  /** Rare: a context dies with payloads on their way. */
  remove(monitor: number): void {
    const count = this.#size;
    for (let i = 0; i < count; i++) {
      const entry = this.shift();
      if (entry !== monitor) this.push(entry);
    }
  }
}
