// What the user says of labels, and how to take it back: the changes of this tab, the last one first.
import { send } from "./api.js";

const done = [];
const others = "BroadcastChannel" in window ? new BroadcastChannel("qks-review") : null;
const listeners = [];

export const isUndoable = () => done.length > 0;

// Called after anything was said, in this tab or in another one.
export function onChange(listener) {
  listeners.push(listener);
}

others?.addEventListener("message", () => listeners.forEach((one) => one({ elsewhere: true })));

function changed(ids) {
  listeners.forEach((one) => one({ ids, elsewhere: false }));
  others?.postMessage("changed");
}

let last = Promise.resolve();

// One after another, in the order of the keys: an undo right after a yes is about that yes.
function inTurn(work) {
  const result = last.then(work);
  last = result.catch(() => {});
  return result;
}

// `about` is a label, as { label }, or what somebody types for one, as { typed }.
export const say = (said, about, ids) => inTurn(async () => {
  const answer = await send("/api/say", { said, ...about, ids });
  done.push(answer.change);
  changed(ids);
  return answer;
});

export const undo = () => inTurn(undoLast);

async function undoLast() {
  const change = done.pop();
  if (change === undefined) return null;
  let answer;
  try {
    answer = await send("/api/undo", { change });
  } catch (error) {
    if (error.status !== 410) done.push(change);
    throw error;
  }
  changed(answer.ids);
  return answer;
}
