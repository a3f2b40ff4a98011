// The sliders of a policy's strengths.
// Entry point: `Knobs`.

import { addedKnob, documentOf, knobsOf } from "./strengths.js";
import { element, fill, found, show } from "./dom.js";
import { strengthText } from "./words.js";

/** Shows a slider for each strength of the chosen policy, and tells when one is moved. */
export class Knobs {
  constructor(changed) {
    this._changed = changed;
    this._knobs = [];
    this._chosen = null;
    found("reset").addEventListener("click", () => this._reset());
    found("add-vector").addEventListener("click", () => this._add());
  }

  /** Show the sliders of a configured policy: its name and document, with what is loaded. */
  choose(name, policy, { floors, vectors, sets }) {
    this._chosen = { name, policy, floors, vectors, sets };
    this._knobs = knobsOf(policy, floors, vectors, sets);
    this._show();
  }

  /** Whether a strength is another than the policy's. */
  get areMoved() {
    return this._knobs.some((knob) => knob.moved);
  }

  /** What a request names as its policy; undefined where no policy could be chosen. */
  get policy() {
    if (this._chosen === null) return undefined;
    return documentOf(this._chosen.name, this._chosen.policy, this._knobs);
  }

  _show() {
    const { vectors } = this._chosen;
    fill(found("knobs"), ...this._knobs.map((knob) => this._slider(knob)));
    const steered = new Set(this._knobs.map((knob) => knob.name));
    const others = vectors.map((vector) => vector.concept).filter((concept) => !steered.has(concept));
    fill(found("add-concept"), ...others.map((concept) => element("option", { value: concept }, concept)));
    show(found("add"), others.length > 0);
    found("strengths-hint").textContent = this._knobs.length
      ? "The steered pictures follow as you move."
      : "This policy adds no vector. Add one, or choose another policy.";
    show(found("reset"), this.areMoved);
  }

  _slider(knob) {
    const id = `knob-${knob.kind}-${knob.name}`;
    const shown = element("span", {}, valueText(knob));
    const input = element("input", {
      type: "range",
      id,
      min: knob.least,
      max: knob.most,
      step: "0.05",
      disabled: knob.held,
      "aria-describedby": `${id}-said`,
    });
    input.value = knob.value;
    input.setAttribute("aria-valuetext", valueText(knob));
    input.addEventListener("input", () => {
      knob.value = Number(input.value);
      knob.moved = true;
      shown.textContent = valueText(knob);
      input.setAttribute("aria-valuetext", valueText(knob));
      show(found("reset"));
      this._changed();
    });
    return element(
      "div",
      { class: "knob" },
      element("label", { htmlFor: id }, knob.name),
      shown,
      input,
      element("p", { class: "hint", id: `${id}-said` }, knob.said),
    );
  }

  _add() {
    const concept = found("add-concept").value;
    const vector = this._chosen.vectors.find((one) => one.concept === concept);
    this._knobs.push(addedKnob(vector));
    this._show();
    found(`knob-safety-${concept}`).focus();
    this._changed();
  }

  _reset() {
    const { name, policy, ...loaded } = this._chosen;
    this.choose(name, policy, loaded);
    found("policy").focus();
    this._changed();
  }
}

/** A drawn member is added as its vector recommends, until the slider says otherwise for all of them. */
function valueText(knob) {
  if (!knob.moved && knob.kind === "fairness" && knob.rule.strength === null) return "recommended";
  return knob.value === 0 ? "off" : strengthText(knob.value);
}
