// Explain mode: what the pictures of a request would get, and why, without making any.
// Entry point: `showExplanation`.

import { element, fill, found, show } from "./dom.js";
import { ruleTexts, shortDigest, strengthText } from "./words.js";

/** Show the answer to POST /policies/explain. */
export function showExplanation(explained, prompt) {
  fill(found("explained"), facts(explained, prompt), images(explained.images));
  show(found("explanation"));
}

function facts(explained, prompt) {
  const told = [
    ["Prompt", `“${prompt}”`],
    ["As the model reads it", `“${explained.model_prompt}”`],
    ["People, as the ledger counts", explained.group || "none"],
    ["Responsible phrases", explained.phrases.map((one) => `“${one.text}” (${one.reason})`).join("; ") || "none read"],
    ["Screen", screenText(explained.screen)],
    ...ruleTexts(explained.policy),
    ["Policy digest", shortDigest(explained.policy_digest)],
    ["Floor digest", explained.floor_digest === null ? "no floor" : shortDigest(explained.floor_digest)],
  ];
  const rows = told.flatMap(([what, how]) => [element("dt", {}, what), element("dd", {}, how)]);
  return element("dl", { class: "facts" }, ...rows);
}

function screenText(screen) {
  if (screen === null) return "nobody looks at the pictures";
  return `${screen.detector} looks for ${screen.categories.join(", ")}; on a finding ${screen.on_finding}`;
}

function images(planned) {
  const heads = ["Seed", "Vectors", "Negative prompt", "Not added"].map((head) => element("th", { scope: "col" }, head));
  return element(
    "div",
    // Scrolled sideways where it is too wide, also by the keyboard.
    { class: "table explained-images", tabindex: "0", role: "group", "aria-label": "What each picture would get" },
    element(
      "table",
      {},
      element("caption", {}, "Each picture"),
      element("thead", {}, element("tr", {}, ...heads)),
      element("tbody", {}, ...planned.map(row)),
    ),
  );
}

function row(image) {
  const vectors = image.steering.map((one) => [`${one.concept} ${strengthText(one.strength)}`, one.reason]);
  const words = image.averted.map((one) => [one.words, one.reason]);
  const skipped = image.skipped.map((one) => [one.concept, one.reason]);
  return element(
    "tr",
    {},
    element("th", { scope: "row", class: "figure" }, String(image.seed)),
    ...[vectors, words, skipped].map((lines) => element("td", {}, listed(lines))),
  );
}

function listed(lines) {
  if (!lines.length) return "—";
  return element(
    "ul",
    {},
    ...lines.map(([what, why]) => element("li", {}, `${what} `, element("span", { class: "reason" }, why))),
  );
}
