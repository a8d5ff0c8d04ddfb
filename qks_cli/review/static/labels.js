// The list of labels, those that need attention first.
import { ask, buttonsAreKeys, byId, counted, isTyping, make, openDialog, tellProblem } from "./api.js";

const filter = byId("filter");
const body = byId("rows");
let rows = [];

const address = (label, cutoff) => {
  const values = new URLSearchParams({ label });
  if (cutoff !== null && cutoff !== undefined) values.set("cutoff", cutoff);
  return `/label?${values}`;
};

function row(one) {
  const name = one.cutoff === null ? make("a", { href: `/?${new URLSearchParams({ q: "", label: one.name })}` }, one.name) : make("a", { href: address(one.label) }, one.name);
  const cutoff = one.cutoff === null ? "by hand" : `${one.cutoff.toFixed(2)}${one.own ? " (its own)" : ""}`;
  const said = one.confirmed || one.rejected ? `${one.confirmed.toLocaleString("en")}, ${one.rejected.toLocaleString("en")}` : "";
  const remarks = one.remarks.map((remark) => {
    const item = make("li", {}, remark.text);
    if (remark.cutoff !== null) item.append(" – ", make("a", { href: address(one.label, remark.cutoff) }, `try ${remark.cutoff.toFixed(2)}`));
    return item;
  });
  return make(
    "tr", {},
    make("th", { scope: "row" }, name),
    make("td", { class: "number" }, one.photos.toLocaleString("en")),
    make("td", { class: "number" }, cutoff),
    make("td", { class: "number" }, said),
    make("td", {}, ...(remarks.length ? [make("ul", {}, ...remarks)] : [])),
  );
}

function show() {
  const wanted = filter.value.trim().toLowerCase();
  const found = rows.filter((one) => one.name.toLowerCase().includes(wanted) || one.label.toLowerCase().includes(wanted));
  body.replaceChildren(...found.map(row));
  const urgent = found.filter((one) => one.remarks.length).length;
  byId("count").textContent = `${counted(found.length, "label")}, ${urgent.toLocaleString("en")} to look at`;
}

function press(key) {
  if (key === "/") { filter.focus(); filter.select(); }
  else if (key === "?") openDialog(byId("keys"));
  else if (key === "ArrowDown" || key === "ArrowUp") {
    const links = [...body.querySelectorAll("th a")];
    const at = links.indexOf(document.activeElement);
    links[Math.max(0, Math.min(links.length - 1, at + (key === "ArrowDown" ? 1 : -1)))]?.focus();
  } else return false;
  return true;
}

filter.addEventListener("input", show);
filter.addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === "ArrowDown") { event.preventDefault(); body.querySelector("th a")?.focus(); }
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
  if (press(event.key)) event.preventDefault();
});
buttonsAreKeys(document.body, press);
buttonsAreKeys(byId("keys"), () => byId("keys").close());

try {
  ({ labels: rows } = await ask("/api/labels"));
  show();
} catch (error) {
  byId("count").textContent = "";
  tellProblem(error);
}
