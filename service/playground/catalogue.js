// What the service says it has loaded, asked for once the page opens and with every new key.
// Entry point: `loadedNow`.

import { Trouble, asked } from "./api.js";
import { found } from "./dom.js";

const AGAIN_MS = 1000;

/** Return {model, policies, vectors, sets} once the model is loaded. Throws Trouble, such as for a missing key. */
export async function loadedNow() {
  const ready = await untilReady();
  const [policies, { vectors, sets }] = await Promise.all([asked("policies"), asked("vectors")]);
  return { model: ready.model, policies, vectors, sets };
}

async function untilReady() {
  for (;;) {
    try {
      return await asked("readyz");
    } catch (trouble) {
      if (!(trouble instanceof Trouble) || trouble.code !== "not_ready") throw trouble;
      found("serving").textContent = "The model is loading.";
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}
