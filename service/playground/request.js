// What the form asks for, as the body of a request.
// Entry points: `askedFor`, `seedDrawn`.

import { Trouble } from "./api.js";
import { found } from "./dom.js";

/** Return what is asked for, without the policy. Throws Trouble for what is no number. */
export function askedFor() {
  return {
    prompt: found("prompt").value,
    negative_prompt: found("negative_prompt").value,
    num_images: whole("num_images", "Count"),
    seed: found("seed").value === "" ? seedDrawn() : whole("seed", "The first seed"),
    num_inference_steps: whole("num_inference_steps", "Steps"),
    guidance_scale: number("guidance_scale", "Guidance"),
  };
}

/** Draw a seed, and write it into the form: pictures without and with steering need the same. */
export function seedDrawn() {
  const [seed] = crypto.getRandomValues(new Uint32Array(1));
  found("seed").value = seed;
  return seed;
}

function whole(field, label) {
  const value = number(field, label);
  if (Number.isSafeInteger(value)) return value;
  throw notUsable(field, `${label}: ${found(field).value} is no whole number.`, "Write one, such as 4.");
}

function number(field, label) {
  const value = found(field).valueAsNumber;
  if (Number.isFinite(value)) return value;
  throw notUsable(field, `${label}: there is no number.`, "Write one, such as 4.");
}

function notUsable(field, message, cure) {
  return new Trouble(0, { code: "no_number", message, field, cure });
}
