// Making pictures: without and with steering, from the same seeds, and again as strengths move.
// Entry point: `Studio`.

import { asked } from "./api.js";
import { Quarters, say } from "./announcer.js";
import { sharesText, showShares } from "./bars.js";
import { found, show } from "./dom.js";
import { Lane } from "./lane.js";
import { Pairs } from "./pairs.js";
import { servedShares } from "./shares.js";
import { clearTrouble, showTrouble } from "./trouble.js";
import { counted } from "./words.js";

/** The empty policy adds nothing of its own: what is left is the floor, where there is one. */
const PLAIN = {};

const FLOORED =
  "This service holds a floor, and makes nothing without it: on the left of each pair is what the floor alone does.";

const SETTLED_MS = 250;

/** Runs the two lanes, and shows what comes of them. */
export class Studio {
  /** `refused` hears of every Trouble after it was shown. */
  constructor(refused) {
    this._pairs = new Pairs(() => this._progressed(), (trouble, side) => this._failed(trouble, side));
    this._lanes = { plain: new Lane(this._pairs.plain), steered: new Lane(this._pairs.steered) };
    this._refused = refused;
    this._sets = {};
    this._floors = [];
    this._last = null;
    this._settling = null;
    this._quarters = new Quarters();
    this._troubles = {};
  }

  /** Take what is loaded. */
  load({ sets, floors }) {
    this._sets = sets;
    this._floors = floors;
  }

  /** Make the pictures of a request anew, without steering too where they are to be compared. */
  generate(request, policy, isCompared) {
    this.stop();
    clearTrouble();
    this._last = request;
    this._troubles = {};
    const floored = this._floors.length > 0;
    const names = isCompared ? { plain: floored ? "The floor alone" : "Without", steered: "With" } : { steered: "With" };
    this._pairs.lay(request.num_images, request.seed, names);
    this._describe(request, policy);
    found("note").textContent = FLOORED;
    show(found("note"), isCompared && floored);
    showShares([]);
    say(`Making ${counted(request.num_images, isCompared ? "pair" : "picture")}.`);
    const plain = isCompared ? this._lanes.plain.run({ ...request, policy: PLAIN }) : Promise.resolve(null);
    return Promise.all([plain.then((made) => this._plainMade(made)), this._steer(request, policy)]);
  }

  /** Make the steered pictures of the last request again once the strengths rest; what runs is given up at once. */
  moved(policyNow) {
    if (this._last === null) return;
    this._lanes.steered.stop();
    clearTimeout(this._settling);
    this._settling = setTimeout(() => {
      clearTrouble();
      this._describe(this._last, policyNow());
      this._steer(this._last, policyNow());
    }, SETTLED_MS);
    this._progressed();
  }

  /** Give up whatever runs. */
  stop() {
    clearTimeout(this._settling);
    for (const lane of Object.values(this._lanes)) lane.stop();
    this._progressed();
  }

  /** Whether pictures are being made. */
  get isRunning() {
    return Object.values(this._lanes).some((lane) => lane.isRunning);
  }

  async _steer(request, policy) {
    this._quarters = new Quarters();
    const body = policy === undefined ? request : { ...request, policy };
    const running = this._lanes.steered.run(body);
    this._progressed();
    const [made, explained] = await Promise.all([running, explainedOrNull(body)]);
    this._progressed();
    if (made === null) return;
    const shares = servedShares(made.items, this._sets, explained);
    showShares(shares);
    say(`${counted(made.items.length, "picture")} made in ${made.seconds.toFixed(1)} seconds. ${sharesText(shares)}`);
  }

  /** Where something holds that the floor was not known to hold, the pictures tell. */
  _plainMade(made) {
    this._progressed();
    if (!made?.items.some((item) => item.applied.length + item.averted.length > 0)) return;
    this._pairs.name("plain", "The floor alone");
    found("note").textContent = FLOORED;
    show(found("note"));
  }

  _describe({ num_images, seed, num_inference_steps, prompt }, policy) {
    const named = policy === undefined ? "the default policy" : typeof policy === "string" ? policy : "your own strengths";
    const seeds = num_images > 1 ? `seeds ${seed} to ${seed + num_images - 1}` : `seed ${seed}`;
    found("asked-line").textContent = `“${prompt}”, ${named}, ${seeds}, ${num_inference_steps} steps`;
  }

  _progressed() {
    const running = Object.values(this._lanes).filter((lane) => lane.isRunning);
    const share = running.reduce((sum, lane) => sum + lane.share, 0) / Math.max(running.length, 1);
    show(found("progress"), running.length > 0);
    if (!running.length && document.activeElement === found("stop")) found("generate").focus();
    show(found("stop"), running.length > 0);
    found("progress-bar").value = share;
    found("progress-text").textContent = `${Math.round(100 * share)} %`;
    found("pictures").setAttribute("aria-busy", String(running.length > 0));
    if (running.length) this._quarters.reached(share);
  }

  /** What both are refused for is said once, above everything. */
  _failed(trouble, side) {
    this._progressed();
    this._troubles[side] = trouble;
    const { plain, steered } = this._troubles;
    if (side === "steered") {
      showTrouble(trouble);
      this._refused(trouble);
    }
    if (plain === undefined) return;
    found("note").textContent = `Without steering: ${plain.message} ${plain.cure}`;
    show(found("note"), plain.message !== steered?.message);
  }
}

/** The explanation gives the shares their targets; a key that may not read goes without. */
async function explainedOrNull(body) {
  try {
    return await asked("policies/explain", body);
  } catch {
    return null;
  }
}
