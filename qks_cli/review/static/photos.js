// The page of photos: search, grid, selection, and what is said of the photos in it.
import { ask, buttonsAreKeys, byId, counted, isTyping, openDialog, tell, tellProblem } from "./api.js";
import { LabelField } from "./complete.js";
import { Grid } from "./grid.js";
import { Judge } from "./judge.js";
import { PhotoView } from "./photo.js";
import { isUndoable, onChange, say, undo } from "./verdicts.js";

const query = byId("q");
const order = byId("sort");
const grid = new Grid(byId("grid"), byId("sizer"), { onOpen: (index) => view.open(index), onSelect: count });
const view = new PhotoView(grid, { onAlike: (card) => go({ like: card.id }) });
const judge = new Judge();
const field = new LabelField(byId("label"), byId("label-list"), chooseLabel);
let total = null;
let notes = [];
let asking = null;

// The page brings its first listing with it; whatever is asked later comes from the server.
const first = {
  text: byId("grid").dataset.first,
  take() {
    const { text } = this;
    this.text = "";
    return text ? JSON.parse(text) : null;
  },
};

// The address holds what is shown, so that going back, another tab and a bookmark show it too.
function asked() {
  const values = new URLSearchParams(location.search);
  return { q: values.get("q") ?? "", sort: values.get("sort") ?? "score", like: values.get("like"), label: values.get("label") ?? "" };
}

function go(changes) {
  const wanted = { ...asked(), like: null, ...changes };
  if (wanted.like) wanted.q = "";
  const values = new URLSearchParams();
  for (const [name, value] of Object.entries(wanted)) {
    if (value && !(name === "sort" && value === "score")) values.set(name, value);
  }
  history.pushState(null, "", values.size ? `/?${values}` : "/");
  return search();
}

async function search() {
  const wanted = asked();
  query.value = wanted.q;
  order.value = wanted.sort;
  field.value = wanted.label || labelOf(wanted.q);
  asking?.abort();
  asking = new AbortController();
  showProblem(null);
  try {
    const brought = first.text !== "";
    const answer = first.take() ?? await (wanted.like
      ? ask("/api/alike", { photo: wanted.like, ...field.about }, asking.signal)
      : ask("/api/listing", { q: wanted.q, sort: wanted.sort, ...field.about }, asking.signal));
    total = answer.total;
    notes = wanted.like ? ["photos like the first one"] : answer.notes;
    grid.label = field.value;
    grid.about = field.about;
    grid.show(answer.listing, answer.total, answer.photos);
    if (brought && field.value !== wanted.label) grid.refresh(); // the page did not know the label
    count();
  } catch (error) {
    if (error.at === undefined) tellProblem(error);
    else showProblem(error);
  }
}

// A search for one label is about that label.
function labelOf(text) {
  const found = /^\s*tag:(?:"([^"]+)"|([^\s"]+))\s*$/.exec(text);
  return found ? (found[1] ?? found[2]) : "";
}

// An error of the query, with the spot marked where it can be read no further.
function showProblem(error) {
  const place = byId("problem");
  place.replaceChildren();
  query.toggleAttribute("aria-invalid", error !== null);
  if (!error) return;
  const signs = [...asked().q];
  const spot = document.createElement("mark");
  spot.textContent = signs[error.at] ?? "▏";
  place.append(`${error.message}: `, signs.slice(0, error.at).join(""), spot, signs.slice(error.at + 1).join(""));
  query.focus();
  const before = signs.slice(0, error.at).join("").length;
  query.setSelectionRange(before, before + (signs[error.at]?.length ?? 0));
}

function count() {
  if (total === null) return;
  const parts = [counted(total, "photo")];
  if (grid.selected.size) parts.push(`${grid.selected.size.toLocaleString("en")} selected`);
  byId("count").textContent = [...parts, ...notes].join(" · ");
}

function chooseLabel(label) {
  const values = new URLSearchParams(location.search);
  if (label) values.set("label", label);
  else values.delete("label");
  history.replaceState(null, "", values.size ? `/?${values}` : "/");
  grid.setLabel(label, field.about);
  grid.box.focus();
}

async function sayOf(key) {
  const label = field.value;
  if (!label) {
    byId("label").focus();
    tell("Which label? Type it, then Enter.");
    return;
  }
  const ids = grid.chosen();
  if (!ids.length) return;
  try {
    const answer = await say(key === "y" ? "confirm" : "reject", field.about, ids);
    tell(`${key === "y" ? "Yes" : "No"}: ${answer.label} on ${counted(answer.photos, "photo")}; u undoes it`);
    if (!grid.selected.size) grid.moveTo(grid.current + 1);
  } catch (error) {
    tellProblem(error);
  }
}

async function undoLast() {
  try {
    const answer = await undo();
    tell(answer ? `Taken back: ${answer.label} on ${counted(answer.photos, "photo")}` : "Nothing to undo.");
  } catch (error) {
    tellProblem(error);
  }
}

function judgeAll() {
  if (!field.value) {
    byId("label").focus();
    tell("Which label? Type it, then Enter, then j.");
    return;
  }
  grid.setLabel(field.value, field.about);
  judge.start(field.value, field.about, grid.total, (index) => grid.card(index), grid.current);
}

// Whether the key meant something here.
function press(key, event) {
  if (key === "/") { query.focus(); query.select(); }
  else if (key === "?") openDialog(byId("keys"));
  else if (key === "y" || key === "n") sayOf(key);
  else if (key === "u") undoLast();
  else if (key === "j") judgeAll();
  else if (key === "a" && (event?.ctrlKey || event?.metaKey)) grid.selectAll();
  else if (event?.ctrlKey || event?.metaKey || event?.altKey) return false;
  else if (key === "a") { byId("label").focus(); byId("label").select(); }
  else if (key === "x") grid.toggle();
  else if (key === "l") { const card = grid.known(grid.current); if (card) go({ like: card.id }); }
  else if (key === "Enter" && document.activeElement === grid.box) view.open(grid.current);
  else if (key === "Escape") grid.select(() => grid.selected.clear());
  else return grid.move(key, event?.shiftKey);
  return true;
}

document.addEventListener("keydown", (event) => {
  if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
  if ((event.ctrlKey || event.metaKey || event.altKey) && event.key !== "a") return;
  if (press(event.key, event)) event.preventDefault();
});
query.addEventListener("keydown", (event) => {
  if (event.key === "Escape") grid.box.focus();
});
byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  go({ q: query.value, sort: order.value, label: "" }).then(() => { if (!byId("problem").textContent) grid.box.focus(); });
});
order.addEventListener("change", () => go({ sort: order.value }));
byId("language").addEventListener("click", () => openDialog(byId("query-language")));
buttonsAreKeys(document.body, press);
for (const dialog of document.querySelectorAll("#keys, #query-language")) {
  buttonsAreKeys(dialog, () => dialog.close());
  dialog.addEventListener("close", () => grid.box.focus());
}
window.addEventListener("popstate", search);
judge.onEnd = () => { grid.refresh(); grid.box.focus(); };
grid.onLost = search;
onChange(() => {
  byId("undo").disabled = !isUndoable();
  if (!byId("judge").open) grid.refresh();
});

await search();
grid.box.focus();
