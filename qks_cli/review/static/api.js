// How the pages talk to the server. Whatever comes from it is put on a page as text, never as markup.

export class Refused extends Error {
  constructor(answer, status) {
    super(answer.error ?? `the server answered ${status}`);
    this.hint = answer.hint ?? "";
    this.at = answer.at;
    this.status = status;
  }
}

async function answered(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused({ error: "the server does not answer: is qks review still running?" }, 0);
  }
  let answer;
  try {
    answer = await response.json();
  } catch {
    answer = { error: `the server answered ${response.status}` };
  }
  if (!response.ok) throw new Refused(answer, response.status);
  return answer;
}

export function ask(path, values = {}, signal = undefined) {
  return answered(`${path}?${new URLSearchParams(values)}`, { signal });
}

export function send(path, body) {
  return answered(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

// An element with attributes and children; strings become text.
export function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

export const byId = (id) => document.getElementById(id);

export const counted = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

let fading = 0;

// What has happened, for eyes and for screen readers.
export function tell(text, place = byId("news")) {
  place.textContent = text;
  if (place.id !== "news") return;
  clearTimeout(fading);
  fading = setTimeout(() => { place.textContent = ""; }, 6000);
}

export function tellProblem(error, place = undefined) {
  if (error.name === "AbortError") return;
  tell(error.hint ? `${error.message} (${error.hint})` : error.message, place);
}

// Whether keys are for a field that somebody types in.
export function isTyping(target) {
  return target.closest?.("input, select, textarea") !== null && target.closest !== undefined;
}

// Buttons stand for keys: a click on one is that key, pressed.
export function buttonsAreKeys(root, press) {
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-key]");
    if (button && button.closest("dialog") === (root.matches("dialog") ? root : null)) press(button.dataset.key, event);
  });
}

export function openDialog(dialog) {
  if (!dialog.open) dialog.showModal();
}
