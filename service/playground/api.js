// The service, as this page asks it; the key stays in this module's memory and goes into a header, nowhere else.
// Entry points: `useKey`, `hasKey`, `asked`, `streamed`, and `Trouble`, what is thrown.

import { eventsOf } from "./events.js";

let key = null;

/** A request that was not followed: what the service says of it, and the cure. */
export class Trouble extends Error {
  constructor(status, { code, message, field, cure }) {
    super(message);
    this.status = status;
    this.code = code;
    this.field = field;
    this.cure = cure;
  }
}

/** Send this key with every request from now on; null for none. */
export function useKey(text) {
  key = text;
}

/** Whether a key is sent. */
export function hasKey() {
  return key !== null;
}

/** Return the JSON that is answered: to a GET, or with a body to a POST. Throws Trouble. */
export async function asked(path, body = null, signal = undefined) {
  const answer = await sent(path, body, signal);
  return answer.json();
}

/** Yield the events of a POST /generate. Throws Trouble, also for the one that an event tells of. */
export async function* streamed(body, signal) {
  const answer = await sent("generate", { ...body, stream: true }, signal);
  for await (const event of eventsOf(answer.body)) {
    if (event.name === "error") throw new Trouble(event.data.status, event.data.error);
    yield event;
    if (event.name === "done") return;
  }
  throw new Trouble(0, {
    code: "cut_off",
    message: "The stream ended before the pictures were made.",
    field: null,
    cure: "Generate again; where that happens often, see the timeouts of the proxy between here and the service.",
  });
}

async function sent(path, body, signal) {
  const headers = key === null ? {} : { "X-API-Key": key };
  const options = { headers, signal, cache: "no-store" };
  if (body !== null) {
    headers["Content-Type"] = "application/json";
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
  }
  let answer;
  try {
    answer = await fetch(new URL(path, document.baseURI), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble(0, {
      code: "unreachable",
      message: "The service cannot be reached.",
      field: null,
      cure: "See whether it still runs, and try again.",
    });
  }
  if (!answer.ok) throw await refused(answer);
  return answer;
}

async function refused(answer) {
  try {
    const { error } = await answer.json();
    if (error?.message) return new Trouble(answer.status, error);
  } catch {
    // A gateway's own page, say; its status is all there is to tell.
  }
  return new Trouble(answer.status, {
    code: `http_${answer.status}`,
    message: `The answer was HTTP ${answer.status}, and not from Trimtab.`,
    field: null,
    cure: "Ask whoever runs the gateway in front of the service.",
  });
}
