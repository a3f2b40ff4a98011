// Numbers, digests and rules as people read them.
// Entry points: `strengthText`, `shareText`, `shortDigest`, `counted`, `ruleTexts`.

/** A strength as it stands beside a concept: "1.00", "−0.50". */
export function strengthText(strength) {
  return strength.toFixed(2).replace("-", "−");
}

/** A share as a percentage: "33.3 %", "50 %". */
export function shareText(share) {
  return `${Number((100 * share).toFixed(1))} %`;
}

/** The beginning of a digest, enough to tell it from others at a glance. */
export function shortDigest(digest) {
  return digest.replace("sha256:", "").slice(0, 10);
}

/** "1 picture", "4 pictures". */
export function counted(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** What a policy does, a line for each of its parts: [what, how]. */
export function ruleTexts(policy) {
  const lines = [];
  for (const rule of policy.fairness) lines.push([`Fairness: ${rule.set}`, fairnessText(rule)]);
  if (policy.fairness.length) lines.push(["Assignment", policy.assignment]);
  for (const rule of policy.safety) lines.push([`Safety: ${rule.concept}`, safetyText(rule)]);
  if (policy.max_norm !== null) lines.push(["Cap", `norm of all vectors together: ${policy.max_norm}`]);
  for (const [what, how] of samplingTexts(policy.sampling)) lines.push([what, how]);
  if (policy.phrases !== "off") lines.push(["Phrases of the prompt", policy.phrases.replaceAll("-", " ")]);
  if (policy.screen !== null) lines.push(["Screen", `on a finding: ${policy.screen.on_finding}`]);
  return lines.length ? lines : [["Rules", "none: the model as it is"]];
}

function fairnessText(rule) {
  const shares = Object.entries(rule.target ?? {}).map(([member, share]) => `${member} ${shareText(share)}`);
  const parts = [shares.length ? shares.join(", ") : "equal shares"];
  if (rule.cases.length) parts.push(`${counted(rule.cases.length, "case")} with other shares`);
  if (rule.leave) parts.push(`${shareText(rule.leave)} left as they are`);
  if (rule.strength !== null) parts.push(`strength ${strengthText(rule.strength)}`);
  if (rule.when === "always") parts.push("for every prompt");
  return parts.join("; ");
}

function safetyText(rule) {
  const strength = rule.strength === null ? "recommended strength" : `strength ${strengthText(rule.strength)}`;
  const ways = { vector: "by its vector", negative_prompt: "by words in the negative prompt" };
  return `${strength}, ${ways[rule.by] ?? "by its vector and by words in the negative prompt"}`;
}

function samplingTexts(sampling) {
  const told = [
    ["Guidance", sampling.min_guidance_scale, "at least "],
    ["Steps", sampling.min_steps, "at least "],
    ["Schedulers", sampling.schedulers?.join(", ") ?? null, ""],
  ];
  return told.filter(([, value]) => value !== null).map(([what, value, before]) => [what, `${before}${value}`]);
}
