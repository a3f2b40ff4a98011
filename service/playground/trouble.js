// What could not be done, with its cure, and the field that it is about.
// Entry points: `showTrouble`, `clearTrouble`.

import { element, fill, found, show } from "./dom.js";

const FIELDS = ["prompt", "policy", "num_images", "seed", "num_inference_steps", "guidance_scale", "negative_prompt"];

/** Show a Trouble where it is read out at once, and mark the field that it names. */
export function showTrouble(trouble) {
  fill(found("trouble"), ...parts(trouble));
  show(found("trouble"));
  found("trouble").scrollIntoView({ block: "nearest" });
  const name = FIELDS.find((field) => trouble.field === field || trouble.field?.startsWith(`${field}.`));
  if (name === undefined) return;
  const field = found(name);
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-errormessage", "trouble");
  const folded = field.closest("details");
  if (folded !== null) folded.open = true;
}

/** Forget what was shown. */
export function clearTrouble() {
  show(found("trouble"), false);
  fill(found("trouble"));
  for (const name of FIELDS) {
    found(name).removeAttribute("aria-invalid");
    found(name).removeAttribute("aria-errormessage");
  }
}

/** What went wrong, what to do about it, and the code to look for in the documentation. */
function parts(trouble) {
  const about = trouble.field ? ` (${trouble.field})` : "";
  const said = [element("p", { class: "what" }, trouble.message)];
  if (trouble.cure) said.push(element("p", { class: "cure" }, trouble.cure));
  return [...said, element("p", { class: "code" }, element("code", {}, trouble.code), about)];
}
