// The served shares as bars.
// Entry point: `showShares`; `sharesText` says the same to be read out.

import { element, fill, found, show } from "./dom.js";
import { counted, shareText } from "./words.js";

/** Show the shares that `servedShares` has counted; nothing where there are none. */
export function showShares(shares) {
  fill(found("bars"), ...shares.map(setBars));
  show(found("shares"), shares.length > 0);
}

/** "gender: woman 2, man 2. race: ..." */
export function sharesText(shares) {
  return shares
    .filter((one) => one.why === null)
    .map((one) => `${one.set}: ${one.members.map((member) => `${member.member} ${member.served}`).join(", ")}.`)
    .join(" ");
}

function setBars({ set, pictures, members, why }) {
  const body =
    why === null
      ? element("ul", {}, ...members.map((member) => memberBar(member, pictures)))
      : element("p", { class: "hint" }, `Not drawn: ${why}.`);
  return element(
    "div",
    { class: "set" },
    element("h3", {}, `${set} `, element("span", { class: "hint" }, `in ${counted(pictures, "picture")}`)),
    body,
  );
}

function memberBar({ member, served, target }, pictures) {
  const share = served / pictures;
  const filled = element("div", { class: "fill" });
  filled.style.width = `${100 * share}%`;
  const bar = element("div", { class: "bar", "aria-hidden": "true" }, filled);
  if (target !== null) {
    const mark = element("div", { class: "target" });
    mark.style.left = `${100 * target}%`;
    bar.append(mark);
  }
  const told = [`${served} of ${pictures}, ${shareText(share)}`];
  if (target !== null) told.push(`target ${shareText(target)}`);
  return element(
    "li",
    {},
    element("span", {}, member),
    element("span", { class: "told" }, told.join(" · ")),
    bar,
  );
}
