// One of the two streams of pictures, without or with steering: a new request takes the place of the running one.
// Entry point: `Lane`.

import { streamed } from "./api.js";

/** How many previews of a picture there are, about. */
const PREVIEWS = 10;

/** Makes pictures, and tells `hears` what becomes of each.
 *
 *  `hears` has: began(images), previewed(image, file), stepped(image, share), made(image, item), stopped(), failed(trouble). */
export class Lane {
  constructor(hears) {
    this._hears = hears;
    this._running = null;
    this._shares = [];
  }

  /** Whether a request runs. */
  get isRunning() {
    return this._running !== null;
  }

  /** How much of the running request's steps are taken, from 0 to 1. */
  get share() {
    return this._shares.reduce((sum, one) => sum + one, 0) / Math.max(this._shares.length, 1);
  }

  /** Give up the running request; the service frees its rows at the next step. */
  stop() {
    if (this._running === null) return;
    this._running.abort();
    this._running = null;
    this._hears.stopped();
  }

  /** Make the pictures of a request. Return them with the time it took, {items, seconds}; null where given up or failed. */
  async run(body) {
    this.stop();
    const running = new AbortController();
    this._running = running;
    this._shares = Array(body.num_images).fill(0);
    this._hears.began(body.num_images);
    const every = Math.max(1, Math.round(body.num_inference_steps / PREVIEWS));
    const items = [];
    try {
      for await (const { name, data } of streamed({ ...body, preview_every: every }, running.signal)) {
        // What was given up may still have something in the pipe.
        if (this._running !== running) return null;
        if (name === "done") return this._ended({ items, seconds: data.timings_s.total });
        this._heard(name, data, items);
      }
    } catch (error) {
      if (this._running !== running) return null;
      this._running = null;
      this._hears.failed(error);
    }
    return null;
  }

  _heard(name, data, items) {
    if (name === "step") {
      this._shares[data.image] = data.step / data.steps;
      this._hears.stepped(data.image, this._shares[data.image]);
    } else if (name === "preview") {
      this._hears.previewed(data.image, data.b64_json);
    } else if (name === "image") {
      items[data.image] = data;
      this._hears.made(data.image, data);
    }
  }

  _ended(made) {
    this._running = null;
    return made;
  }
}
