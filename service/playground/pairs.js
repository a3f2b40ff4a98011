// The pairs of pictures: each seed without and with steering, and what was added to it and why.
// Entry points: `Pairs`, whose `plain` and `steered` a Lane tells of its pictures.

import { element, fill, found, show } from "./dom.js";
import { strengthText } from "./words.js";

/** Shows a card for every seed. */
export class Pairs {
  constructor(stepped, failed) {
    this._cards = [];
    this.plain = this._hears("plain", stepped, failed);
    this.steered = this._hears("steered", stepped, failed);
  }

  /** Show empty frames for seeds from this one on; with two of them each where they are compared. */
  lay(count, seed, names) {
    this._cards = Array.from({ length: count }, (_, place) => card(seed + place, names));
    fill(found("pairs"), ...this._cards.map((one) => one.shown));
    show(found("empty"), false);
  }

  /** Say under pictures without steering what they really are. */
  name(side, text) {
    for (const one of this._cards) if (one[side]) one[side].name.textContent = text;
  }

  _hears(side, stepped, failed) {
    const slot = (image) => this._cards[image][side];
    const rest = () => {
      for (const one of this._cards) one[side].taken.style.width = "0";
    };
    return {
      began: () => {
        rest();
        for (const one of this._cards) {
          show(one[side].save, false);
          if (side === "steered") one.vectors.classList.add("stale");
        }
      },
      stepped: (image, share) => {
        slot(image).taken.style.width = `${100 * share}%`;
        stepped();
      },
      previewed: (image, file) => showPicture(slot(image), file, "Not finished yet", "unfinished"),
      made: (image, item) => {
        slot(image).taken.style.width = "0";
        showItem(slot(image), item, side);
        if (side === "steered") tell(this._cards[image], item);
      },
      stopped: rest,
      failed: (trouble) => {
        rest();
        for (const { [side]: slot } of this._cards) {
          fill(slot.frame, element("p", { class: "instead" }, "Not made"), slot.taken);
        }
        if (side === "steered") for (const one of this._cards) clear(one);
        failed(trouble, side);
      },
    };
  }
}

function card(seed, names) {
  const slots = Object.fromEntries(Object.entries(names).map(([side, name]) => [side, slot(name)]));
  const two = Object.values(slots).map((one) => one.shown);
  const vectors = element("ul", { class: "vectors", "aria-label": `Added to seed ${seed}` });
  const reasons = element("ul");
  const why = element("details", { class: "why" }, element("summary", {}, "Why"), reasons);
  show(why, false);
  const title = element("h3", {}, "Seed ", element("span", { class: "figure" }, String(seed)));
  const frames = element("div", { class: two.length > 1 ? "two" : "two single" }, ...two);
  return { ...slots, vectors, reasons, why, shown: element("li", { class: "pair card" }, title, frames, vectors, why) };
}

function slot(name) {
  const taken = element("span", { class: "taken" });
  const frame = element("div", { class: "frame" }, taken);
  const named = element("span", {}, name);
  const save = element("a", {}, "Save");
  show(save, false);
  const shown = element("figure", { class: "picture" }, frame, element("figcaption", {}, named, save));
  return { frame, taken, name: named, save, shown };
}

function showPicture(slot, file, alt, className = "") {
  const src = `data:image/png;base64,${file}`;
  const shown = slot.frame.querySelector("img");
  if (shown === null) fill(slot.frame, element("img", { src, alt, className }), slot.taken);
  else Object.assign(shown, { src, alt, className });
}

function showItem(slot, item, side) {
  show(slot.save, item.b64_json !== null);
  if (item.b64_json === null) {
    fill(slot.frame, element("p", { class: "instead" }, item.blocked.reason), slot.taken);
    return;
  }
  const added = item.applied.map((one) => one.concept).join(", ") || "nothing added";
  showPicture(slot, item.b64_json, `Seed ${item.seed}: ${added}`);
  slot.save.href = `data:image/png;base64,${item.b64_json}`;
  slot.save.download = `trimtab-${item.seed}-${side}.png`;
  slot.save.setAttribute("aria-label", `Save seed ${item.seed}, ${slot.name.textContent}`);
}

/** Show the vectors and words that an image got, and the reasons. */
function tell(card, item) {
  const applied = item.applied.map((one) =>
    element(
      "li",
      { class: one.reason.startsWith("fairness") ? "drawn" : "every" },
      `${one.concept} `,
      element("span", { class: "figure" }, strengthText(one.strength)),
    ),
  );
  const screen = item.screen === null ? [] : [element("li", { class: "every" }, `screen: ${screenText(item.screen)}`)];
  const nothing = element("li", { class: "every" }, "nothing added");
  card.vectors.classList.remove("stale");
  fill(card.vectors, ...(applied.length ? applied : [nothing]), ...screen);
  fill(
    card.reasons,
    ...item.applied.map((one) =>
      element("li", {}, element("b", {}, `${one.concept}@${one.version}, ${strengthText(one.strength)}: `), one.reason),
    ),
    ...item.averted.map((one) =>
      element("li", {}, element("b", {}, `Negative prompt “${one.words}”: `), one.reason),
    ),
  );
  show(card.why, item.applied.length + item.averted.length > 0);
}

function clear(card) {
  fill(card.vectors);
  fill(card.reasons);
  show(card.why, false);
}

function screenText({ outcome, attempts }) {
  const found = attempts.at(-1).found;
  return found.length ? `${outcome}, ${found.join(", ")}` : outcome;
}
