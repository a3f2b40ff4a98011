// The page's beginning: what the form, the keys and the key do.

import { Trouble, asked, hasKey, useKey } from "./api.js";
import { say } from "./announcer.js";
import { loadedNow } from "./catalogue.js";
import { element, fill, found, show } from "./dom.js";
import { showExplanation } from "./explanation.js";
import { Knobs } from "./knobs.js";
import { showLoaded } from "./loaded.js";
import { askedFor, seedDrawn } from "./request.js";
import { Studio } from "./studio.js";
import { clearTrouble, showTrouble } from "./trouble.js";

const studio = new Studio(keyNeeded);
const knobs = new Knobs(() => studio.moved(() => knobs.policy));
let loaded = null;

/** What the service calls the embedded model. */
const DEMO = "demo";

async function load() {
  clearTrouble();
  try {
    loaded = await loadedNow();
  } catch (error) {
    found("serving").textContent = "";
    if (keyNeeded(error)) return;
    lock(false);
    showTrouble(error);
    return;
  }
  const { model, policies, vectors, sets } = loaded;
  loaded.floors = [policies.floor, policies.tenant_floor].filter((floor) => floor !== null);
  lock(false);
  show(found("forget-key"), hasKey());
  show(found("examples"), model === DEMO);
  found("serving").textContent = `Playground of the model ${model}`;
  const names = Object.keys(policies.policies);
  fill(found("policy"), ...names.map((name) => element("option", { value: name }, name)));
  found("policy").value = policies.default;
  studio.load({ sets, floors: loaded.floors });
  showLoaded(policies, { vectors, sets });
  choose();
}

function choose() {
  const name = found("policy").value;
  const policy = loaded.policies.policies[name];
  found("policy-hint").textContent = policy.description;
  knobs.choose(name, policy, loaded);
}

/** Ask for a key where one is needed; return whether it is. */
function keyNeeded(trouble) {
  if (!(trouble instanceof Trouble) || trouble.status !== 401) return false;
  lock(true);
  if (hasKey()) showTrouble(trouble);
  found("key-text").focus();
  return true;
}

/** Ask for a key in the place of everything else; or show the page. */
function lock(isLocked) {
  show(found("key"), isLocked);
  for (const part of ["ask", "results"]) show(found(part), !isLocked);
}

function generate() {
  try {
    studio.generate(askedFor(), knobs.policy, found("compare").checked);
  } catch (error) {
    refuse(error);
  }
}

async function explain() {
  clearTrouble();
  try {
    const request = askedFor();
    const { policy } = knobs;
    showExplanation(await asked("policies/explain", policy === undefined ? request : { ...request, policy }), request.prompt);
    found("explanation").focus();
    say("Explained. Nothing was made.");
  } catch (error) {
    refuse(error);
  }
}

function refuse(error) {
  if (!(error instanceof Trouble)) throw error;
  showTrouble(error);
  keyNeeded(error);
}

function stop() {
  studio.stop();
  say("Stopped.");
}

found("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  generate();
});
found("key").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(found("key-text").value.trim());
  found("key-text").value = "";
  load();
});
// With the page goes all that is in its memory, the pictures too.
found("forget-key").addEventListener("click", () => location.reload());
found("policy").addEventListener("change", () => {
  choose();
  studio.moved(() => knobs.policy);
});
for (const example of found("examples").querySelectorAll("button")) {
  example.addEventListener("click", () => {
    found("prompt").value = example.textContent;
    generate();
    found("generate").focus();
  });
}
found("draw-seed").addEventListener("click", () => say(`Seed ${seedDrawn()}.`));
found("explain").addEventListener("click", explain);
found("stop").addEventListener("click", stop);
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) generate();
  if (event.key === "Escape" && studio.isRunning) stop();
});

load();
