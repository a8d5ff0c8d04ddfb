// One label: a cut-off on a slider, how many photos would have the label, and those just above and below.
import { ask, buttonsAreKeys, byId, counted, isTyping, make, openDialog, send, tell, tellProblem } from "./api.js";
import { Judge } from "./judge.js";
import { isUndoable, onChange, say, undo } from "./verdicts.js";

const PAUSE = 120; // milliseconds after the slider moved
const PAGE = 100;
const SIGNS = { confirmed: "✓", rejected: "✗" };
const STRIPS = ["above", "below"];

const wanted = new URLSearchParams(location.search);
const slider = byId("cutoff");
const judge = new Judge();
let label = null;
let at = { above: 0, below: 0 };
let strip = "above";
let waiting = 0;
let asked = 0;

async function load(cutoff = undefined) {
  try {
    label = await ask("/api/label", { label: wanted.get("label") ?? "" });
  } catch (error) {
    byId("name").textContent = wanted.get("label") ?? "";
    tellProblem(error);
    return;
  }
  byId("name").textContent = label.name;
  document.title = `${label.name} – qks review`;
  byId("photos-link").href = `/?${new URLSearchParams({ q: `tag:"${label.name.replaceAll('"', "")}"`, label: label.name })}`;
  byId("all").hidden = false;
  byId("save-file").hidden = !label.file;
  byId("file").textContent = label.file ? `The labels file is ${label.file}` : "";
  byId("reset").disabled = !label.own;
  slider.value = cutoff ?? wanted.get("cutoff") ?? label.cutoff;
  moved(0);
}

function moved(pause = PAUSE) {
  const value = Number(slider.value);
  byId("value").textContent = value.toFixed(2);
  const now = label.cutoff.toFixed(2);
  byId("would").textContent = `${counted(label.counts[Math.round(value * 100)], "photo")} of ${label.photos.toLocaleString("en")} would have it (now ${now}${label.own ? ", its own" : ""})`;
  clearTimeout(waiting);
  waiting = setTimeout(around, pause);
}

async function around() {
  const number = ++asked;
  try {
    const sides = await ask("/api/around", { scores: label.scores, cutoff: slider.value });
    if (number !== asked) return;
    for (const side of STRIPS) {
      byId(side).replaceChildren(...sides[side].map((card, place) => tile(card, side, place)));
      at[side] = Math.max(0, Math.min(at[side], sides[side].length - 1));
    }
    mark();
  } catch (error) {
    if (error.status === 410) load(slider.value);
    else tellProblem(error);
  }
}

function tile(card, side, place) {
  const says = [card.name, card.score.toFixed(2), SIGNS[card.state] ? card.state : ""].filter(Boolean).join(", ");
  const made = make("div", { class: `still ${card.state}`, role: "option", id: `${side}-${place}`, "aria-label": says, "aria-selected": "false", "data-photo": card.id });
  made.append(make("img", { src: `/small/${card.id}`, alt: "", loading: "lazy" }), make("span", {}, `${card.score.toFixed(2)} ${SIGNS[card.state] ?? ""}`));
  made.addEventListener("click", () => { strip = side; at[side] = place; mark(); });
  return made;
}

function mark() {
  for (const side of STRIPS) {
    const box = byId(side);
    [...box.children].forEach((one, place) => {
      one.classList.toggle("current", side === strip && place === at[side]);
      one.setAttribute("aria-selected", String(side === strip && place === at[side]));
    });
    const active = box.children[at[side]];
    if (active) box.setAttribute("aria-activedescendant", active.id);
    else box.removeAttribute("aria-activedescendant");
  }
}

function move(key) {
  if (key === "ArrowUp" || key === "ArrowDown") strip = key === "ArrowUp" ? "above" : "below";
  else at[strip] = Math.max(0, Math.min(byId(strip).children.length - 1, at[strip] + (key === "ArrowRight" ? 1 : -1)));
  byId(strip).focus();
  mark();
  byId(strip).children[at[strip]]?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

async function sayOf(key) {
  const photo = byId(strip).children[at[strip]]?.dataset.photo;
  if (!photo) return;
  try {
    await say(key === "y" ? "confirm" : "reject", { label: label.label }, [Number(photo)]);
    tell(`${key === "y" ? "Yes" : "No"}: ${label.name}; u undoes it`);
    move("ArrowRight");
  } catch (error) {
    tellProblem(error);
  }
}

async function undoLast() {
  try {
    const answer = await undo();
    tell(answer ? `Taken back: ${answer.label}` : "Nothing to undo.");
  } catch (error) {
    tellProblem(error);
  }
}

async function judgeNearest() {
  try {
    const found = await ask("/api/nearest", { scores: label.scores, cutoff: slider.value });
    const pages = new Map();
    const cardAt = async (index) => {
      const number = Math.floor(index / PAGE);
      if (!pages.has(number)) pages.set(number, ask("/api/window", { listing: found.listing, start: number * PAGE, count: PAGE, label: label.label }));
      return (await pages.get(number)).photos[index % PAGE] ?? null;
    };
    judge.start(label.name, { label: label.label }, found.total, cardAt);
  } catch (error) {
    tellProblem(error);
  }
}

async function save(where, cutoff) {
  const place = byId("saving");
  try {
    await send("/api/cutoff", { label: label.label, cutoff, where });
    for (;;) {
      const job = await ask("/api/job");
      if (job.running) tell(job.total ? `Tagging: ${job.done.toLocaleString("en")} of ${counted(job.total, "photo")}` : "Tagging …", place);
      else {
        tell(job.error || job.message, place);
        break;
      }
      await new Promise((done) => setTimeout(done, 400));
    }
    await load();
  } catch (error) {
    tellProblem(error, place);
  }
}

function press(key) {
  if (!label) return false;
  if (key === "c") slider.focus();
  else if (key === "g") { byId(strip).focus(); mark(); }
  else if (key === "?") openDialog(byId("keys"));
  else if (key === "j") judgeNearest();
  else if (key === "u") undoLast();
  else if (key === "y" || key === "n") sayOf(key);
  else if (key.startsWith("Arrow")) move(key);
  else return false;
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  // The slider has arrows of its own, and takes no letters.
  if (isTyping(event.target) && (event.target !== slider || event.key.startsWith("Arrow"))) return;
  if (press(event.key)) event.preventDefault();
});
slider.addEventListener("input", () => moved());
byId("save-file").addEventListener("click", () => save("file", Number(slider.value)));
byId("save-library").addEventListener("click", () => save("library", Number(slider.value)));
byId("reset").addEventListener("click", () => save(label.file ? "file" : "library", null));
buttonsAreKeys(document.body, press);
buttonsAreKeys(byId("keys"), () => byId("keys").close());
judge.onEnd = () => load(slider.value);
onChange(() => {
  byId("undo").disabled = !isUndoable();
  if (label && !byId("judge").open) around();
});

await load();
slider.focus();
