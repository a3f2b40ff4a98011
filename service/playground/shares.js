// The served shares of a run: how many pictures got each member of a set, against the policy's target. No elements here.
// Entry point: `servedShares`.

const DRAWN = /^fairness: one of ([a-z0-9-]+) with a share/;

/** Return, for each set that was drawn from or could have been: {set, pictures, members, why}.
 *
 *  `members` are {member, served, target}: a number of pictures, and a share or null where the policy has none; `why`
 *  says why nothing was drawn. `explained` is the answer to POST /policies/explain, or null where it could not be had. */
export function servedShares(images, sets, explained) {
  const served = images.filter((image) => image.blocked === null);
  const rules = explained?.policy.fairness ?? [];
  const names = new Set([...rules.map((rule) => rule.set), ...served.flatMap((image) => [...drawnOf(image).keys()])]);
  return [...names].map((set) => setShares(set, rules.find((rule) => rule.set === set), served, sets, explained));
}

function setShares(set, rule, served, sets, explained) {
  const drawn = served.map((image) => drawnOf(image));
  const got = drawn.map((members) => members.get(set) ?? null);
  if (got.every((member) => member === null)) {
    const skipped = explained?.images[0]?.skipped.find((one) => one.concept === set);
    return { set, pictures: served.length, members: [], why: skipped?.reason ?? "nothing was drawn" };
  }
  const members = sets[set] ?? [...new Set(got.filter((member) => member !== null))];
  const listed = members.map((member) => ({
    member,
    served: got.filter((one) => one === member).length,
    target: rule === undefined ? null : meanTarget(rule, member, members, drawn),
  }));
  const left = got.filter((member) => member === null).length;
  if (left > 0 || rule?.leave) listed.push({ member: "as it is", served: left, target: rule?.leave ?? null });
  return { set, pictures: served.length, members: listed, why: null };
}

/** Set -> the member that fairness gave an image. */
function drawnOf(image) {
  const drawn = new Map();
  for (const applied of image.applied) {
    const set = DRAWN.exec(applied.reason)?.[1];
    if (set !== undefined) drawn.set(set, applied.concept);
  }
  return drawn;
}

/** The share that a member should have among pictures that got these members of other sets. */
function meanTarget(rule, member, members, drawn) {
  const shares = drawn.map((got) => {
    const fits = (one) => Object.entries(one.given).every(([set, wanted]) => got.get(set) === wanted);
    const target = rule.cases.find(fits)?.shares ?? rule.target;
    const share = target === null ? 1 / members.length : target[member] ?? 0;
    return share * (1 - rule.leave);
  });
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}
