/** Counts bytes that one worker holds of request bodies, against a bound for all of them together. */
export class ByteBudget {
  readonly #bytesMax: number;
  readonly #onChange: (heldBytes: number) => void;
  #heldBytes = 0;

  constructor(bytesMax: number, onChange: (heldBytes: number) => void) {
    this.#bytesMax = bytesMax;
    this.#onChange = onChange;
  }

  hasRoom(bytes: number): boolean {
    return this.#heldBytes + bytes <= this.#bytesMax;
  }

  hold(bytes: number): void {
    this.#heldBytes += bytes;
    this.#onChange(this.#heldBytes);
  }

  release(bytes: number): void {
    if (bytes !== 0) {
      this.#heldBytes -= bytes;
      this.#onChange(this.#heldBytes);
    }
  }
}
