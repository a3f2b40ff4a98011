// What a screen reader is told of, politely: beginnings, quarters of the way and ends.
// Entry points: `say`, `Quarters`.

import { found } from "./dom.js";

/** Say this once what is being said has ended. */
export function say(text) {
  found("said").textContent = text;
}

/** Says how far something is, at each quarter of the way and no oftener. */
export class Quarters {
  constructor() {
    this._said = 0;
  }

  /** Hear of a share from 0 to 1 that is done. */
  reached(share) {
    const quarter = Math.floor(4 * share);
    if (quarter <= this._said || quarter === 4) return;
    this._said = quarter;
    say(`${25 * quarter} percent.`);
  }
}
