// What the service has loaded: its policies, its floors and its vectors.
// Entry point: `showLoaded`.

import { element, fill, found, show } from "./dom.js";
import { ruleTexts, shortDigest, strengthText } from "./words.js";

/** Show the answers to GET /policies and GET /vectors. */
export function showLoaded(policies, { vectors, sets }) {
  const floors = [
    ["The service’s floor", policies.floor],
    ["Your tenant’s floor", policies.tenant_floor],
  ].filter(([, floor]) => floor !== null);
  const named = Object.entries(policies.policies);
  fill(
    found("loaded-policies"),
    element("h3", {}, "Policies"),
    element(
      "ul",
      { class: "policies" },
      ...floors.map(([title, floor]) => policyCard(floor.name ? `${title}: ${floor.name}` : title, floor)),
      ...named.map(([name, policy]) => policyCard(name, policy, name === policies.default)),
    ),
  );
  fill(found("loaded-vectors"), table(vectors, sets));
  show(found("loaded"));
}

function policyCard(title, policy, isDefault = false) {
  const rules = ruleTexts(policy).flatMap(([what, how]) => [element("dt", {}, what), element("dd", {}, how)]);
  return element(
    "li",
    { class: "card" },
    element("h4", {}, title, ...(isDefault ? [element("span", { class: "hint" }, "for requests that name none")] : [])),
    element("p", { class: "hint" }, policy.description),
    element("details", {}, element("summary", {}, "Rules"), element("dl", { class: "facts" }, ...rules)),
  );
}

function table(vectors, sets) {
  const setOf = new Map(Object.entries(sets).flatMap(([set, members]) => members.map((member) => [member, set])));
  const heads = ["Vector", "Version", "Set", "Recommended", "Norm", "Site", "Digest"];
  const rows = vectors.map((vector) => {
    const cells = [
      String(vector.version),
      setOf.get(vector.concept) ?? "—",
      strengthText(vector.recommended_strength),
      vector.norm.toFixed(1),
      vector.site,
      shortDigest(vector.digest),
    ];
    const head = element("th", { scope: "row" }, vector.concept);
    return element("tr", {}, head, ...cells.map((cell) => element("td", { class: "figure" }, cell)));
  });
  return element(
    "div",
    { class: "table", tabindex: "0", role: "group", "aria-label": "The vectors" },
    element(
      "table",
      {},
      element("caption", {}, "Vectors"),
      element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
      element("tbody", {}, ...rows),
    ),
  );
}
