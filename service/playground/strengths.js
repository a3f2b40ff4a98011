// Which strengths of a policy can be moved, and the policy document that their sliders ask for. No elements here.
// Entry points: `knobsOf`, `addedKnob`, `documentOf`.

const MOST = 2;

/** Return a knob for every rule of a policy, and of the floors under it, that adds a vector.
 *
 *  A knob has: kind ("fairness", "safety"), name (of the set or concept), rule, value, least, most, held (whether the
 *  floor lets nobody move it), and said, in words. */
export function knobsOf(policy, floors, vectors, sets) {
  const recommended = new Map(vectors.map((vector) => [vector.concept, vector.recommended_strength]));
  const heldSets = new Map(floors.flatMap((floor) => floor.fairness.map((rule) => [rule.set, rule])));
  const heldConcepts = new Map();
  for (const rule of floors.flatMap((floor) => floor.safety)) {
    const strength = rule.strength ?? recommended.get(rule.concept);
    const before = heldConcepts.get(rule.concept);
    if (before === undefined || Math.abs(strength) > Math.abs(before.strength)) {
      heldConcepts.set(rule.concept, { ...rule, strength });
    }
  }
  const drawn = new Map([...policy.fairness.map((rule) => [rule.set, rule]), ...heldSets]);
  const added = new Map([...heldConcepts, ...policy.safety.map((rule) => [rule.concept, rule])]);
  return [
    ...[...drawn.values()].map((rule) => fairnessKnob(rule, heldSets.has(rule.set), recommended, sets)),
    ...[...added.values()]
      .filter((rule) => rule.by !== "negative_prompt")
      .map((rule) => safetyKnob(rule, heldConcepts.get(rule.concept), recommended)),
  ];
}

/** Return the knob of a vector that no rule names: to be added to every picture. */
export function addedKnob(vector) {
  const rule = { concept: vector.concept, strength: null, by: "vector", negative_prompt: null };
  const knob = safetyKnob(rule, undefined, new Map([[vector.concept, vector.recommended_strength]]));
  return { ...knob, moved: true };
}

/** Return what a request names as its policy: the name where nothing was moved, else the document with the strengths. */
export function documentOf(name, policy, knobs) {
  if (!knobs.some((knob) => knob.moved)) return name;
  const { name: _name, version: _version, description: _description, ...rest } = policy;
  const fairness = policy.fairness
    .map((rule) => moved(rule, knobs.find((knob) => knob.kind === "fairness" && knob.name === rule.set)))
    .filter((rule) => rule !== null);
  const sets = new Set(fairness.map((rule) => rule.set));
  const named = new Set(policy.safety.map((rule) => rule.concept));
  const more = knobs.filter((knob) => knob.kind === "safety" && knob.moved && !named.has(knob.name));
  const safety = [
    ...policy.safety.map((rule) => moved(rule, knobs.find((knob) => knob.kind === "safety" && knob.name === rule.concept))),
    ...more.map((knob) => moved(knob.rule, knob)),
  ].filter((rule) => rule !== null);
  return {
    ...rest,
    // A case about a set that is not drawn from any more could never hold.
    fairness: fairness.map((rule) => ({
      ...rule,
      cases: rule.cases.filter((one) => Object.keys(one.given).every((set) => sets.has(set))),
    })),
    safety,
  };
}

/** Return a rule at its knob's strength; null at 0, where it is left out. */
function moved(rule, knob) {
  if (!knob?.moved) return rule;
  return knob.value === 0 ? null : { ...rule, strength: knob.value };
}

function fairnessKnob(rule, held, recommended, sets) {
  const members = Object.keys(rule.target ?? {}).length ? Object.keys(rule.target) : sets[rule.set] ?? [];
  const strengths = members.map((member) => recommended.get(member) ?? 1);
  const mean = strengths.reduce((sum, one) => sum + one, 0) / Math.max(strengths.length, 1);
  const value = rule.strength ?? rounded(mean);
  const each = members.map((member, place) => `${member} ${strengths[place]}`).join(", ");
  const said = held ? "Held by the floor" : `Recommended: ${each}`;
  return { ...range(value), kind: "fairness", name: rule.set, rule, held, said, moved: false };
}

function safetyKnob(rule, floor, recommended) {
  const value = rule.strength ?? recommended.get(rule.concept) ?? 1;
  const knob = { ...range(value), kind: "safety", name: rule.concept, rule, held: false, moved: false };
  const best = recommended.get(rule.concept);
  const said = best === undefined ? "" : `Recommended: ${best}`;
  if (floor === undefined) return { ...knob, said };
  const { strength } = floor;
  const held = `${said}; the floor holds ${strength} or ${strength < 0 ? "less" : "more"}`;
  if (strength < 0) return { ...knob, value: Math.min(value, strength), most: strength, said: held };
  return { ...knob, value: Math.max(value, strength), least: strength, said: held };
}

function range(value) {
  const most = Math.max(MOST, Math.ceil(Math.abs(value)));
  return { value, least: value < 0 ? -most : 0, most };
}

function rounded(value) {
  return Math.round(value * 20) / 20;
}
